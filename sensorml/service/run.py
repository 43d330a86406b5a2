"""The running service: its threads and tasks, from the start to an orderly stop.

Threads: the event loop; one per bus; one for the engine; one for the journal;
one per sink; one for lines that blink. The loop only supervises: no alarm needs
it.

A stop follows the data: bus threads return, the inbox closes, the engine's thread
finishes the queue, the journal commits, sinks try once more, and the exit stack
sets the lines to their safe level and closes the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorml.acquisition.bus_thread import Wake, run_bus
from sensorml.config.tables import Config
from sensorml.service import box
from sensorml.service.build import build
from sensorml.service.real_time import RealTime
from sensorml.service.requests import serve
from sensorml.service.status import Running, iterations, status
from sensorml.service.systemd import Notifier
from sensorml.storage.committer import Committer
from sensorml.threads import Worker

if TYPE_CHECKING:
    from sensorml.storage.delivery import Delivery

log = logging.getLogger("sensorml")

KEYBOARD: Final = (signal.SIGINT, signal.SIGQUIT)
STOPS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGPWR, signal.SIGXCPU)
IGNORED: Final = (signal.SIGUSR1, signal.SIGUSR2)

NOTIFY_S: Final = 1.0
"""Between notifications of systemd."""
READY_S: Final = 20.0
"""After this time the service is ready also without a result. Its alarms are then
`unknown`. A restart would not help where a sensor is absent, or delivers one row an
hour."""
SWITCH_S: Final = 0.001
"""The longest time that a thread computes while others wait. Python's default of
5 ms is long compared with the time of a FIFO read."""
SINKS_S: Final = 1.2
"""The time for the sinks at a stop; unsent rows stay in the journal."""


Viewer = Callable[[Running], Coroutine[None, None, None]]
"""Shows the running service until it is cancelled."""


async def run(
    config: Config,
    store: Path,
    *,
    duration_s: float | None = None,
    viewer: Viewer | None = None,
    notifier: Notifier | None = None,
) -> str:
    """Run the service until a signal, the duration, or the end of every source.

    Return how many rows are not stored and why; "" when all are.

    Args:
        config: from `config.loading.load`.
        store: the journal's path.
        duration_s: the service stops after this time.
        viewer: runs beside the service until its end.
        notifier: notifies systemd; by default the one of the environment.

    Raises:
        ModelError, DelegateError, BusError: before anything was started.
    """
    notifier = notifier or Notifier()
    sys.setswitchinterval(SWITCH_S)
    stop = asyncio.Event()
    with ExitStack() as stack:
        stack.callback(notifier.close)
        _take_signals(stop, stack)
        running = build(config, store, stack)
        async with asyncio.TaskGroup() as group:
            observers = [group.create_task(_notify(running, notifier), name="notify")]
            if viewer is not None:
                observers.append(group.create_task(viewer(running), name="view"))
            observers += [
                group.create_task(serve(running, store), name="control"),
                group.create_task(box.observe(running), name="box"),
            ]
            committer = running.committer
            stop_sinks, stop_journal = asyncio.Event(), asyncio.Event()
            journal = group.create_task(
                committer.run(stop_journal, after=running.ready), name="journal"
            )
            sinks = [
                group.create_task(
                    _deliver(delivery, committer, stop_sinks),
                    name=f"sink {delivery.name}",
                )
                for delivery in running.deliveries
            ]
            scheduling = RealTime(running.outbox.event, stack, stop=stop.set)
            lines = group.create_task(
                _drive_lines(running, stack, scheduling), name="lines"
            )
            await _sample_until(stop, running, stack, duration_s, scheduling)
            notifier.stopping()
            running.outbox.event(kind="service", subject=config.device, state="stopped")
            await committer.commit()
            stop_sinks.set()
            if sinks and committer.opened.is_set():
                await asyncio.wait(sinks, timeout=SINKS_S)
            stop_journal.set()  # after the sinks, because it writes their offsets
            committer.wake.set()
            await journal
            running.timer.stop()  # last, so that lamps blink until the lines are safe
            await lines
            for task in [*observers, *sinks]:
                task.cancel()
    return running.committer.not_stored()


async def _sample_until(
    stop: asyncio.Event,
    running: Running,
    stack: ExitStack,
    duration_s: float | None,
    scheduling: RealTime,
) -> None:
    """Run the buses and the engine until `stop`, the duration or the sources' end."""
    sensors = running.config.sensors
    buses_stop = Wake()
    engine = stack.enter_context(Worker("engine"))
    buses = {name: stack.enter_context(Worker(name)) for name in running.pollers}
    # Called before the workers are joined, also when a task has crashed.
    stack.callback(running.inbox.close)
    stack.callback(buses_stop.set)
    urgent = {s.options.thread or s.name for s in sensors if s.options.real_time}
    await scheduling.start([buses[name] for name in sorted(urgent)])
    async with asyncio.TaskGroup() as group:
        work = group.create_task(
            engine.call(running.monitor.run, running.inbox), name="engine"
        )
        sampling = [
            group.create_task(
                buses[name].call(run_bus, pollers, running.inbox, buses_stop), name=name
            )
            for name, pollers in running.pollers.items()
        ]
        stopping = group.create_task(stop.wait(), name="stop")
        sources = group.create_task(_all(sampling), name="sources")
        done, _ = await asyncio.wait(
            [stopping, sources, work],
            timeout=duration_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not done:
            stop.set()  # the duration is over
        buses_stop.set()
        await sources
        running.inbox.close()
        await work
        stopping.cancel()


async def _drive_lines(
    running: Running, stack: ExitStack, scheduling: RealTime
) -> None:
    """Drive blinking lines and the heartbeat on their own thread, if there are any."""
    timer = running.timer

    def report(name: str, state: str, reason: str) -> None:
        running.outbox.event(kind="gpio", subject=name, state=state, detail=reason)

    if timer.needed:
        worker = stack.enter_context(Worker("lines"))
        stack.callback(timer.stop)
        await worker.call(scheduling.enter)
        await worker.call(timer.run, report)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _deliver(
    delivery: Delivery, committer: Committer, stop: asyncio.Event
) -> None:
    await committer.opened.wait()  # a sink reads the journal
    await delivery.run(stop)


async def _notify(running: Running, notifier: Notifier) -> None:
    """Notify systemd: ready after the first result, alive while the threads run.

    The threads also run while a sensor is absent and polled in vain. The heartbeat's
    line shows whether data arrives.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_S):
            await running.ready.wait()
    notifier.ready(status(running))
    last = (0, 0)
    while True:
        buses, engine = iterations(running)
        if buses != last[0] and engine != last[1]:
            last = (buses, engine)
            notifier.watchdog()
        notifier.status(status(running))
        await asyncio.sleep(NOTIFY_S)


def _take_signals(stop: asyncio.Event, stack: ExitStack) -> None:
    """Stop in order on a signal that ends; end at once on Ctrl-C during the stop.

    A terminal that is closed may send several signals, so only those of a keyboard
    end at once. SIGUSR1 and SIGUSR2 would end the process and are ignored.
    """
    loop = asyncio.get_running_loop()

    def on_keyboard() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    def on_other(name: str) -> None:
        log.info("%s is ignored: SIGTERM stops the service", name)

    handlers: dict[signal.Signals, Callable[[], None]] = {
        **dict.fromkeys(KEYBOARD, on_keyboard),
        **dict.fromkeys(STOPS, stop.set),
        **{number: partial(on_other, number.name) for number in IGNORED},
    }
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started by nohup
        del handlers[signal.SIGHUP]
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
        stack.callback(loop.remove_signal_handler, number)
