"""What a configuration takes hold of: GPIO lines, and addresses on buses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from sensorml.buses.i2c import I2cOptions
from sensorml.buses.spi import SpiOptions
from sensorml.config.tables import Alarm, Config, Gpio, Heartbeat, Meter, Model, Sensor
from sensorml.errors import Problem
from sensorml.gpio.names import LABEL, LineName, line_of
from sensorml.schema import Decoder

T = TypeVar("T")

Use = tuple[str, str]
"""A key of the file, and what it takes hold of."""

_LINE_KEYS = ("gpio", "acknowledge_gpio", "arm_gpio", "interrupt_gpio")
_FOR_MANY: Final = ("acknowledge_gpio", "arm_gpio")
"""Keys whose line several tables may share."""

_PI_WIRES: Final[Mapping[str, Sequence[int]]] = {
    "i2c-0": (0, 1),
    "i2c-1": (2, 3),
    "spi-0": (7, 8, 9, 10, 11),
    "w1": (4,),
}
"""Lines of a Raspberry Pi's header that a bus, by its thread, is wired to unless its
dtoverlay says otherwise: the firmware's overlays/README (i2c_arm, spi, w1-gpio)."""


def placed(key: str, tables: Iterable[T]) -> dict[str, T]:
    """Return the tables of a good configuration by their place, "sensor[0]"."""
    return {f"{key}[{i}]": table for i, table in enumerate(tables)}


def lines_in(config: Config) -> Iterator[tuple[str, Gpio]]:
    """Yield the key and the name of every GPIO line of a good configuration."""
    return lines_of(
        placed("sensor", config.sensors),
        placed("model", config.models),
        placed("alarm", config.alarms),
        placed("meter", config.meters),
        config.heartbeat,
    )


def lines_of(
    sensors: Mapping[str, Sensor],
    models: Mapping[str, Model],
    alarms: Mapping[str, Alarm],
    meters: Mapping[str, Meter],
    heartbeat: Heartbeat | None,
) -> Iterator[tuple[str, Gpio]]:
    """Yield the key and the name of every GPIO line; tables come by their place."""
    tables: dict[str, object] = {**alarms, **meters, "heartbeat": heartbeat}
    tables |= {place: sensor.options for place, sensor in sensors.items()}
    tables |= {f"{place}.trigger": model.trigger for place, model in models.items()}
    for place, table in tables.items():
        for key in _LINE_KEYS:
            line = getattr(table, key, None)
            if isinstance(line, int | str):
                yield f"{place}.{key}", line


def addresses_of(sensors: Mapping[str, Sensor]) -> Iterator[Use]:
    """Yield the key and the address or chip select of every sensor on a real bus.

    Behind a multiplexer addresses are free again, but for those of the chips in
    front of it, multiplexers too: they would answer as well.
    """
    front: dict[str, str] = {}
    behind: list[tuple[str, str, str]] = []
    for place, sensor in sensors.items():
        options = sensor.options
        if isinstance(options, SpiOptions) and options.spi is not None:
            bus, select = map(int, options.spi.split("."))
            yield f"{place}.bus", f"chip select spi{bus}.{select}"
        elif isinstance(options, I2cOptions) and options.bus != "sim":
            key, chip = f"{place}.address", _address(options.address, options)
            if options.mux is None:
                front[key] = chip
                continue
            switch = _address(options.mux.address, options)
            behind.append((key, chip, f"{chip} behind {options.mux}"))
            if switch not in (what for k, what in front.items() if ".mux." in k):
                front[f"{place}.mux.address"] = switch
    yield from front.items()
    for key, chip, with_mux in behind:
        yield key, chip if chip in front.values() else with_mux


def _address(address: int, options: I2cOptions) -> str:
    return f"address {address:#04x} on {options.thread}"


def report(
    decoder: Decoder,
    lines: Iterable[tuple[str, Gpio]],
    sensors: Mapping[str, Sensor],
    models: Mapping[str, Model],
) -> list[Problem]:
    """Report lines that do not exist, lines with two jobs, addresses with two chips.

    Returns:
        What only probably has two jobs.
    """
    firsts: dict[tuple[LineName, object], str] = {}
    for key, name in lines:
        try:
            firsts.setdefault((line_of(name), _job(key, models)), key)
        except ValueError as err:
            what, _, cure = str(err).partition(": ")
            decoder.problem(key, what, cure)
    known = [(key, line) for (line, _), key in firsts.items()]
    used = [(key, f"GPIO line {line}") for key, line in known]
    for problem in _shared([*used, *addresses_of(sensors)]):
        decoder.problem(*problem)
    doubts = [*_shared(_kernels(sensors)), *_on_a_pi(known, sensors)]
    return [Problem(decoder.file, *doubt) for doubt in doubts]


def _job(key: str, models: Mapping[str, Model]) -> object:
    """Return what the line of a key is for; others whose job is equal may share it."""
    place, _, name = key.rpartition(".")
    if name in _FOR_MANY:
        return name
    model = models.get(place.removesuffix(".trigger"))
    return model.trigger.edges if model and model.trigger else key


def _shared(uses: Iterable[Use]) -> Iterator[tuple[str, str, str]]:
    """Yield what is used more than once: the first key, what, and the cure."""
    keys: dict[str, list[str]] = {}
    for key, what in uses:
        keys.setdefault(what, []).append(key)
    for what, (first, *others) in keys.items():
        if others:
            times = "twice" if len(others) == 1 else f"{len(others) + 1} times"
            yield first, f"{what} is used {times}", _cure(*others)


def _cure(*others: str) -> str:
    if len(others) == 1:
        return f"{others[0]} has it too: change one"
    return f"{', '.join(others)} have it too: leave it to one"


def _kernels(sensors: Mapping[str, Sensor]) -> Iterator[Use]:
    """Yield the devices of the kernel's; one sensor can have all that one gives."""
    for place, sensor in sensors.items():
        if (device := getattr(sensor.options, "kernel_device", None)) is not None:
            key, name = device
            yield f"{place}.{key}", f"the {sensor.driver} device {name}"


def _on_a_pi(
    lines: Sequence[tuple[str, LineName]], sensors: Mapping[str, Sensor]
) -> Iterator[tuple[str, str, str]]:
    """Yield lines that have another user on a Raspberry Pi, as `_shared`."""
    users: dict[LineName, str] = {line: key for key, line in lines}
    for place, sensor in sensors.items():
        thread = getattr(sensor.options, "thread", "")
        users |= dict.fromkeys(_PI_WIRES.get(thread, ()), f"{place} ({thread})")
    for key, line in lines:
        number = str(line).removeprefix(f"{LABEL}GPIO")
        user = users.get(int(number)) if number.isdecimal() else None
        if user is not None and user != key:
            what = f"{line} is line {number} on a Raspberry Pi"
            if isinstance(line, int):
                what = f"GPIO line {line} is used twice on a Raspberry Pi"
            yield key, what, _cure(user)
