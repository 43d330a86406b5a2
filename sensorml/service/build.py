"""The parts of a service, built from a checked configuration and not yet running."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sensorml
from sensorml import plugins
from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.inbox import Inbox
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.alarms import fail_safe, wiring
from sensorml.alarms.channel import AlarmChannel
from sensorml.alarms.timer import LineTimer
from sensorml.clock import WallClock
from sensorml.config import bus_rounds
from sensorml.config.bus_rounds import Round
from sensorml.config.tables import Config, Sensor, Sink
from sensorml.delegates.choice import Engines
from sensorml.interfaces import Driver
from sensorml.pipeline.feature_means import FeatureMeans
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import Monitor
from sensorml.service.status import Running
from sensorml.service.streams import Stream
from sensorml.storage.committer import Committer
from sensorml.storage.outbox import Outbox
from sensorml.storage.ownership import Ownership
from sensorml.threads import Worker

if TYPE_CHECKING:
    from sensorml.storage.delivery import Delivery

LEAST_STALE_S: Final = 2.0
"""The shortest default of stale_after_s."""


def build(config: Config, store: Path, stack: ExitStack) -> Running:
    """Open the lines, prepare the drivers, load the models; start nothing.

    Args:
        config: from `config.loading.load`.
        store: the journal's path.
        stack: takes over everything that must be closed.

    Raises:
        ModelError: a model file was refused.
        DelegateError: a delegate that the configuration names cannot be used.
        BusError: a line cannot be opened.
        StoreError: another process writes the journal.
    """
    ownership = Ownership(store)
    ownership.claim()
    stack.callback(ownership.release)
    call_on_loop = _caller_on_loop()
    wake, ready, inbox, timer = asyncio.Event(), asyncio.Event(), Inbox(), LineTimer()
    outbox = Outbox(urgent=partial(call_on_loop, wake.set))
    wiring.use_header()
    pollers, sensors = _sensors(config)
    fail_safe.write_lines(config.alarms)
    alarms = _alarms(config, outbox, stack, timer)
    streams = _streams(config, outbox, stack)
    wiring.alarm_inputs(config.alarms, stack, timer, inbox.put)
    wiring.trigger_inputs(config.models, stack, inbox.put)
    _report_start(config, outbox)
    monitor = Monitor(
        sensors,
        streams,
        alarms,
        outbox,
        timing_s=config.store.timing_s,
        features_s=config.store.features_s,
        first_result=partial(call_on_loop, ready.set),
    )
    wiring.heartbeat(config, stack, timer, lambda: monitor.blocks)
    committer = Committer(
        store,
        outbox,
        stack.enter_context(Worker("journal")),
        wall=WallClock(),
        max_mb=config.store.max_mb,
        commit_s=config.store.commit_s,
        wake=wake,
        ownership=ownership,
    )
    return Running(
        config=config,
        pollers=pollers,
        monitor=monitor,
        inbox=inbox,
        timer=timer,
        outbox=outbox,
        committer=committer,
        deliveries=[_delivery(config, s, committer, outbox) for s in config.sinks],
        ready=ready,
        started_ns=time.monotonic_ns(),
    )


def _caller_on_loop() -> Callable[[Callable[[], None]], None]:
    """Return a function that any thread may call to have a call made on this loop."""
    loop = asyncio.get_running_loop()

    def call_on_loop(call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has closed, and nothing waits
            loop.call_soon_threadsafe(call)

    return call_on_loop


def _sensors(
    config: Config,
) -> tuple[dict[str, list[SensorPoller]], list[SensorHealth]]:
    """Return the sensors' pollers by thread, and the health of every sensor."""
    pollers: dict[str, list[SensorPoller]] = {}
    health = []
    rounds = bus_rounds.rounds(config.sensors)
    for sensor in config.sensors:
        driver = plugins.driver(sensor.driver).Driver(sensor.options)
        thread = sensor.options.thread or sensor.name
        pollers.setdefault(thread, []).append(
            SensorPoller(sensor.name, driver, sensor.options.held)
        )
        stale_after_s = _stale_after_s(sensor, driver, rounds.get(thread))
        health.append(
            SensorHealth(
                sensor.name, stale_after_s=stale_after_s, cures=sensor.options.cures
            )
        )
    return pollers, health


def _stale_after_s(sensor: Sensor, driver: Driver, visits: Round | None) -> float:
    if sensor.stale_after_s is not None:
        return sensor.stale_after_s
    rate_hz = sensor.options.rate_hz
    row_s = 1 / rate_hz if rate_hz else 0.0  # some drivers read more often
    round_s = visits.apart_s if visits else 0.0
    return max(LEAST_STALE_S, 5 * driver.period_s, 5 * row_s, 2 * round_s)


def _alarms(
    config: Config, outbox: Outbox, stack: ExitStack, timer: LineTimer
) -> list[AlarmChannel]:
    sensor_of = {model.name: model.sensor for model in config.models}
    return [
        AlarmChannel(
            rule,
            outbox,
            sensor=rule.sensor or sensor_of[rule.model or ""],
            line=wiring.alarm_line(rule, stack, timer),
        )
        for rule in config.alarms
    ]


def _streams(config: Config, outbox: Outbox, stack: ExitStack) -> list[Stream]:
    def report(model: str, state: str, previous: str, why: str) -> None:
        outbox.event(
            kind="delegate", subject=model, state=state, previous=previous, detail=why
        )

    engines = Engines(report)
    streams = []
    for model, card in zip(config.models, config.cards, strict=True):
        engine = engines.open(
            config.model_folder(model),
            card,
            model=model.name,
            delegate=model.delegate,
            device=model.device,
            fallback=model.fallback,
        )
        stack.callback(engine.close)
        means = FeatureMeans(card) if config.store.features_s else None
        pipeline = Pipeline(
            card, engine, triggered=model.trigger is not None, means=means
        )
        meters = wiring.meters(config, model, card.threshold.value, stack, outbox)
        streams.append(Stream(model.name, model.sensor, pipeline, meters, means))
    return streams


def _report_start(config: Config, outbox: Outbox) -> None:
    outbox.event(
        kind="service",
        subject=config.device,
        state="started",
        detail=f"sensorml {sensorml.__version__}, Python {sys.version.split()[0]}",
    )
    if wiring.simulated(config):
        outbox.event(
            kind="gpio",
            subject="lines",
            state="simulated",
            detail="this machine has no GPIO: no real line changes",
        )


def _delivery(
    config: Config, sink: Sink, committer: Committer, outbox: Outbox
) -> Delivery:
    from sensorml.storage.delivery import Delivery

    return Delivery(
        sink.name,
        partial(
            plugins.sink(sink.driver).Sink, sink.options, {"device": config.device}
        ),
        committer.path,
        acknowledge=partial(committer.acknowledge, sink.name),
        report=outbox.event,
        verify=committer.verify,
    )
