"""From a checked configuration to the parts of a service, not yet running."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import sensorml
from sensorml import plugins
from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.inbox import Inbox, Reading
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.alarms import fail_safe as failsafe
from sensorml.alarms import wiring
from sensorml.alarms.channel import Watch
from sensorml.alarms.logic import AlarmLogic
from sensorml.alarms.timer import LineTimer
from sensorml.clock import WallClock
from sensorml.config.tables import Config, Model, Sensor, Sink
from sensorml.delegates.choice import Engines, Report
from sensorml.interfaces import Driver
from sensorml.pipeline import model_files as cards
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import Monitor
from sensorml.service.status import Running
from sensorml.service.streams import Stream
from sensorml.storage.committer import Committer
from sensorml.storage.outbox import Outbox
from sensorml.threads import _worker

if TYPE_CHECKING:
    from sensorml.storage.delivery import Delivery


def _assemble(config: Config, store: Path, stack: ExitStack) -> Running:
    """Make every part; whatever is opened closes with the stack."""
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    inbox = Inbox()
    ready = asyncio.Event()

    def on_loop(call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(call)

    outbox = Outbox(WallClock(), urgent=partial(on_loop, wake.set))

    def delegate(model: str, state: str, previous: str, why: str) -> None:
        outbox.event(
            kind="delegate", subject=model, state=state, previous=previous, detail=why
        )

    parts = assemble(config, stack, inbox.put, delegate)
    outbox.event(
        kind="service",
        subject=config.device,
        state="started",
        detail=f"sensorml {sensorml.__version__}, Python {sys.version.split()[0]}",
    )
    if parts.simulated_gpio:
        outbox.event(
            kind="gpio",
            subject="lines",
            state="simulated",
            detail="this machine has no GPIO: lines change on paper only",
        )
    monitor = Monitor(
        parts.sensors,
        parts.streams,
        parts.contacts,
        outbox,
        timing_s=config.store.timing_s,
        first_result=partial(on_loop, ready.set),
    )
    wiring.heartbeat(config, stack, parts.timer, lambda: monitor.blocks)
    committer = Committer(
        store,
        outbox,
        _worker("journal", stack),
        max_mb=config.store.max_mb,
        commit_s=config.store.commit_s,
        wake=wake,
    )
    deliveries = [_delivery(config, sink, committer, outbox) for sink in config.sinks]
    return Running(
        config,
        parts.pollers,
        monitor,
        inbox,
        parts.timer,
        outbox,
        committer,
        deliveries,
        ready,
        time.monotonic_ns(),
    )


def _delivery(
    config: Config, sink: Sink, committer: Committer, outbox: Outbox
) -> Delivery:
    from sensorml.storage.delivery import Delivery

    return Delivery(
        sink.name,
        plugins.sink(sink.driver).Sink(sink.options, {"device": config.device}),
        committer.path,
        acknowledge=partial(committer.acknowledge, sink.name),
        report=outbox.event,
        verify=committer.verify,
    )


LEAST_STALE_S = 2.0


class Parts(NamedTuple):
    """Everything that works on samples, wired."""

    pollers: dict[str, list[SensorPoller]]
    """By thread: the sensors of one bus share one."""
    sensors: tuple[SensorHealth, ...]
    streams: tuple[Stream, ...]
    contacts: dict[str, list[Watch]]
    timer: LineTimer
    """Comes back to the lines that change by themselves."""
    simulated_gpio: bool
    """Lines are wanted and this machine has none."""


def assemble(
    config: Config,
    stack: ExitStack,
    tell: Callable[[Reading], None],
    report: Report,
) -> Parts:
    """Load the models, open the lines, prepare the drivers.

    Args:
        config: from `loading.load`.
        stack: takes over what must be closed.
        tell: called on any thread with what an input says.
        report: hears what becomes of the models' delegates.

    Raises:
        ModelError: a model file was refused.
        DelegateError: a delegate that was asked for cannot be used.
        BusError: a line cannot be opened.
    """
    wiring.use_header()
    pollers: dict[str, list[SensorPoller]] = {}
    sensors = []
    for sensor in config.sensors:
        driver = plugins.driver(sensor.driver).Driver(sensor.options)
        thread = str(getattr(sensor.options, "thread", sensor.name))
        pollers.setdefault(thread, []).append(SensorPoller(sensor.name, driver))
        sensors.append(
            SensorHealth(sensor.name, stale_after_s=_stale_after_s(sensor, driver))
        )
    timer = LineTimer()
    failsafe.note(config.alarms)
    watches = {
        alarm.name: Watch(AlarmLogic(alarm), wiring.alarm_line(alarm, stack, timer))
        for alarm in config.alarms
    }
    engines = Engines(report)
    streams = tuple(
        _stream(config, model, watches.values(), engines, stack)
        for model in config.models
    )
    contacts: dict[str, list[Watch]] = {}
    for watch in watches.values():
        if watch.logic.rule.sensor is not None:
            contacts.setdefault(watch.logic.rule.sensor, []).append(watch)
    wiring.listen(config.alarms, stack, timer, tell)
    wiring.triggers(config.models, stack, tell)
    return Parts(
        pollers,
        tuple(sensors),
        streams,
        contacts,
        timer,
        wiring.simulated(config),
    )


def _stale_after_s(sensor: Sensor, driver: Driver) -> float:
    if sensor.stale_after_s is not None:
        return sensor.stale_after_s
    rate_hz = getattr(sensor.options, "rate_hz", None)
    row_s = 1 / rate_hz if rate_hz else 0.0  # some look more often than rows come
    return max(LEAST_STALE_S, 5 * driver.period_s, 5 * row_s)


def _stream(
    config: Config,
    model: Model,
    watches: Iterable[Watch],
    engines: Engines,
    stack: ExitStack,
) -> Stream:
    folder = config.model_folder(model)
    card = cards.load(folder)
    engine = engines.open(
        folder,
        card,
        model=model.name,
        delegate=model.delegate,
        device=model.device,
        fallback=model.fallback,
    )
    stack.callback(engine.close)
    followers = [w for w in watches if w.logic.rule.model == model.name]
    pipeline = Pipeline(card, engine, triggered=model.trigger is not None)
    pointers = wiring.pointers(config, model, card.threshold.value, stack)
    return Stream(model.name, model.sensor, pipeline, followers, pointers)
