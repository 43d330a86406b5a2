"""`sensorml run`: everything wired on one exit stack and one task group.

Threads: the event loop; one per bus; one for the engine; one for the journal;
one per sink; one for lines that blink. The loop itself only supervises: nothing
that an alarm needs runs on it.

Stopping follows the data: bus threads return, the inbox closes, the engine's
thread finishes what is queued, the journal commits, sinks try once more, and
the exit stack leaves the lines at their safe level and closes the rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorml.acquisition.bus_thread import Wake, run_bus
from sensorml.config.tables import Config
from sensorml.service.build import _assemble
from sensorml.service.status import Running, iterations, status
from sensorml.service.systemd import Notifier
from sensorml.storage.committer import Committer
from sensorml.threads import _worker

if TYPE_CHECKING:
    from sensorml.storage.delivery import Delivery

PULSE_S: Final = 1.0
"""Between looks at progress, for systemd."""
READY_S: Final = 20.0
"""So long without a result and the service is ready all the same: it is up and
cannot see, and its alarms say so. To be started again would not help a sensor that is
away, or has an hour from row to row."""
SWITCH_S: Final = 0.001
"""How long a thread that computes may keep the others waiting: Python's own 5 ms
are long beside the wait for a burst."""
SINKS_S: Final = 1.2
"""How long the sinks may take at a stop; what is left waits in the journal."""


Viewer = Callable[[Running], Coroutine[None, None, None]]
"""Shows the running service until it is cancelled."""


async def run(
    config: Config,
    store: Path,
    *,
    duration_s: float | None = None,
    viewer: Viewer | None = None,
    notifier: Notifier | None = None,
) -> None:
    """Run the service until a signal, the duration, or the end of every source.

    Raises:
        ModelError, DelegateError, BusError: before anything was started.
    """
    notifier = notifier or Notifier()
    sys.setswitchinterval(SWITCH_S)
    stop = asyncio.Event()
    with ExitStack() as stack:
        stack.callback(notifier.close)
        _take_signals(stop, stack)
        running = _assemble(config, store, stack)
        async with asyncio.TaskGroup() as group:
            side = [group.create_task(_pulse(running, notifier), name="pulse")]
            if duration_s is not None:
                side.append(group.create_task(_timer(stop, duration_s), name="timer"))
            if viewer is not None:
                side.append(group.create_task(viewer(running), name="view"))
            committer = running.committer
            sent, kept = asyncio.Event(), asyncio.Event()
            keeping = group.create_task(
                committer.run(kept, after=running.ready), name="journal"
            )
            sending = [
                group.create_task(
                    _deliver(delivery, committer, sent),
                    name=f"sink {delivery.name}",
                )
                for delivery in running.deliveries
            ]
            lines = group.create_task(_drive_lines(running, stack), name="lines")
            await _sample_until(stop, running, stack)
            notifier.stopping()
            running.outbox.event(kind="service", subject=config.device, state="stopped")
            await committer.commit()
            sent.set()
            if sending and committer.opened.is_set():
                await asyncio.wait(sending, timeout=SINKS_S)
            kept.set()  # only now: it also writes how far the sinks have come
            committer.wake.set()
            await keeping
            running.timer.stop()  # last: what blinks, blinks until the lines are safe
            await lines
            for task in [*side, *sending]:
                task.cancel()


async def _sample_until(
    stop: asyncio.Event, running: Running, stack: ExitStack
) -> None:
    """Run the bus threads and the engine's until `stop` or the sources' end."""
    buses_stop = Wake()
    engine = _worker("engine", stack)
    buses = [_worker(name, stack) for name in running.pollers]
    # Unwound before the workers are joined, also when a task has crashed.
    stack.callback(running.inbox.close)
    stack.callback(buses_stop.set)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(
            engine.call(running.monitor.run, running.inbox), name="engine"
        )
        sampling = [
            group.create_task(
                bus.call(run_bus, pollers, running.inbox, buses_stop), name=name
            )
            for bus, (name, pollers) in zip(buses, running.pollers.items(), strict=True)
        ]
        stopping = group.create_task(stop.wait(), name="stop")
        everything = group.create_task(_all(sampling), name="sources")
        await asyncio.wait(
            [stopping, everything, work], return_when=asyncio.FIRST_COMPLETED
        )
        buses_stop.set()
        await everything
        running.inbox.close()
        await work
        stopping.cancel()


async def _drive_lines(running: Running, stack: ExitStack) -> None:
    """Let lines blink and beat on a thread of their own, if there are any."""
    timer = running.timer

    def report(name: str, state: str, why: str) -> None:
        running.outbox.event(kind="gpio", subject=name, state=state, detail=why)

    if timer.needed:
        worker = _worker("lines", stack)
        stack.callback(timer.stop)
        await worker.call(timer.run, report)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _deliver(
    delivery: Delivery, committer: Committer, stop: asyncio.Event
) -> None:
    await committer.opened.wait()  # there must be something to read
    await delivery.run(stop)


async def _timer(stop: asyncio.Event, duration_s: float) -> None:
    await asyncio.sleep(duration_s)
    stop.set()


async def _pulse(running: Running, notifier: Notifier) -> None:
    """Tell systemd: ready after the first result, alive while the threads turn.

    A sensor that is away is asked again and again, and that is life: only data says
    whether it is well, and the heartbeat's line shows that.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_S):
            await running.ready.wait()
    notifier.ready(status(running))
    seen = (0, 0)
    while True:
        buses, engine = iterations(running)
        if buses != seen[0] and engine != seen[1]:
            seen = (buses, engine)
            notifier.watchdog()
        notifier.status(status(running))
        await asyncio.sleep(PULSE_S)


def _take_signals(stop: asyncio.Event, stack: ExitStack) -> None:
    """The first SIGINT or SIGTERM stops in order, a second one at once."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
        stack.callback(loop.remove_signal_handler, number)
