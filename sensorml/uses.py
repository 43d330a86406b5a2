"""What a configuration takes hold of: GPIO lines, and addresses on buses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from sensorml.buses.gpiopins import line_of
from sensorml.buses.i2c import I2cOptions
from sensorml.buses.spi import SpiOptions
from sensorml.config import Alarm, Gpio, Heartbeat, Meter, Model, Sensor
from sensorml.schema import Decoder

_LINE_KEYS = ("gpio", "acknowledge_gpio", "arm_gpio", "interrupt_gpio")


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


def addresses_of(sensors: Mapping[str, Sensor]) -> Iterator[tuple[str, str]]:
    """Yield the key and the address or chip select of every sensor on a real bus.

    Behind a multiplexer addresses are free again, but for those of the chips in
    front of it, multiplexers too: they would answer as well.
    """
    front: dict[str, str] = {}
    behind: list[tuple[str, str, str]] = []
    for place, sensor in sensors.items():
        options = sensor.options
        if isinstance(options, SpiOptions) and options.spi is not None:
            yield f"{place}.bus", f"chip select {options.bus}"
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
    lines: Iterator[tuple[str, Gpio]],
    addresses: Iterator[tuple[str, str]],
) -> None:
    """Report lines that do not exist, lines with two jobs, addresses with two chips."""
    used: list[tuple[str, str]] = []
    for key, line in lines:
        try:
            used.append((key, f"GPIO line {line_of(line)}"))
        except ValueError as err:
            what, _, cure = str(err).partition(": ")
            decoder.problem(key, what, cure)
    used += addresses
    counts = Counter(what for _, what in used)
    for key, what in used:
        if counts[what] > 1:
            others = ", ".join(k for k, w in used if w == what and k != key)
            cure = f"{others} has it too: change one"
            decoder.problem(key, f"{what} is used twice", cure)
