"""From a checked configuration to the parts of a service, not yet running."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from sensorml import cards, failsafe, plugins, wiring
from sensorml.config import Config, Model, Sensor
from sensorml.decision import AlarmLogic
from sensorml.engines.choice import Engines, Report
from sensorml.health import SensorHealth
from sensorml.interfaces import Driver
from sensorml.lines import LineTimer
from sensorml.pipeline import Pipeline
from sensorml.sampling import Reading, Station
from sensorml.streams import Stream, Watch

LEAST_STALE_S = 2.0


class Parts(NamedTuple):
    """Everything that works on samples, wired."""

    stations: dict[str, list[Station]]
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
    stations: dict[str, list[Station]] = {}
    sensors = []
    for sensor in config.sensors:
        driver = plugins.driver(sensor.driver).Driver(sensor.options)
        thread = str(getattr(sensor.options, "thread", sensor.name))
        stations.setdefault(thread, []).append(Station(sensor.name, driver))
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
        stations,
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
