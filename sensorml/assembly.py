"""From a checked configuration to the parts of a service, not yet running."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from sensorml import cards, plugins
from sensorml.config import Alarm, Config, Model, Sensor
from sensorml.decision import AlarmLogic
from sensorml.engines.choice import open_engine
from sensorml.health import SensorHealth
from sensorml.interfaces import Driver
from sensorml.pipeline import Pipeline
from sensorml.sampling import Station
from sensorml.streams import Line, Stream, Watch

LEAST_STALE_S = 2.0


class Parts(NamedTuple):
    """Everything that works on samples, wired."""

    stations: dict[str, list[Station]]
    """By thread: the sensors of one bus share one."""
    sensors: tuple[SensorHealth, ...]
    streams: tuple[Stream, ...]
    contacts: dict[str, list[Watch]]
    simulated_gpio: bool
    """Alarm lines are wanted and this machine has none."""


def assemble(
    config: Config, stack: ExitStack, acknowledge: Callable[[str], None]
) -> Parts:
    """Load the models, open the alarm lines, prepare the drivers.

    Args:
        config: from `loading.load`.
        stack: takes over what must be closed.
        acknowledge: called with the alarm's name, on any thread, when its
            button is pressed.

    Raises:
        ModelError: a model file was refused.
        BusError: an alarm line cannot be opened.
    """
    stations: dict[str, list[Station]] = {}
    sensors = []
    for sensor in config.sensors:
        driver = plugins.driver(sensor.driver).Driver(sensor.options)
        thread = str(getattr(sensor.options, "thread", sensor.name))
        stations.setdefault(thread, []).append(Station(sensor.name, driver))
        sensors.append(
            SensorHealth(sensor.name, stale_after_s=_stale_after_s(sensor, driver))
        )
    watches = {
        alarm.name: Watch(AlarmLogic(alarm), _line(alarm, stack, acknowledge))
        for alarm in config.alarms
    }
    streams = tuple(
        _stream(config, model, watches.values(), stack) for model in config.models
    )
    contacts: dict[str, list[Watch]] = {}
    for watch in watches.values():
        if watch.logic.rule.sensor is not None:
            contacts.setdefault(watch.logic.rule.sensor, []).append(watch)
    return Parts(
        stations, tuple(sensors), streams, contacts, _simulated_gpio(config.alarms)
    )


def _simulated_gpio(alarms: Iterable[Alarm]) -> bool:
    if all(alarm.gpio is None for alarm in alarms):
        return False
    from sensorml.buses import gpio

    return gpio.simulated()


def _stale_after_s(sensor: Sensor, driver: Driver) -> float:
    if sensor.stale_after_s is not None:
        return sensor.stale_after_s
    return max(LEAST_STALE_S, 5 * driver.period_s)


def _stream(
    config: Config, model: Model, watches: Iterable[Watch], stack: ExitStack
) -> Stream:
    folder = config.model_folder(model)
    card = cards.load(folder)
    engine = open_engine(folder, card, delegate=model.delegate, fallback=model.fallback)
    stack.callback(engine.close)
    followers = [w for w in watches if w.logic.rule.model == model.name]
    return Stream(model.name, model.sensor, Pipeline(card, engine), followers)


def _line(
    alarm: Alarm, stack: ExitStack, acknowledge: Callable[[str], None]
) -> Line | None:
    if alarm.gpio is None and alarm.acknowledge_gpio is None:
        return None
    from sensorml.buses import gpio

    if alarm.acknowledge_gpio is not None:

        def pressed(active: bool) -> None:
            if active:
                acknowledge(alarm.name)

        button = gpio.open_input(alarm.acknowledge_gpio, on_change=pressed)
        stack.callback(button.close)
    if alarm.gpio is None:
        return None
    safe = alarm.fail_safe == "on"
    output = gpio.open_output(alarm.gpio, active=alarm.active, initial=safe, safe=safe)
    stack.callback(output.close, safe)
    return output
