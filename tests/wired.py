"""The sensors of `pytest --hardware FILE`; hardware.example.toml explains the file."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from sensorml import plugins
from sensorml.buses.spi import SpiConnection
from sensorml.errors import BusError
from sensorml.gpio.names import LineName, line_of
from sensorml.interfaces import Commands, Registers
from sensorml.schema import Decoder, Table, nearest, read_toml


class Loop(Table, frozen=True, kw_only=True):
    """A wire from one line of the header to another."""

    output: LineName
    input: LineName


class Sensor(NamedTuple):
    """One chip."""

    name: str
    driver: str
    options: msgspec.Struct


class Wiring(NamedTuple):
    """Such a file."""

    sensors: Sequence[Sensor]
    loops: Sequence[Loop]


def read(path: Path) -> Wiring:
    """Read such a file.

    Raises:
        ConfigError: with every problem of the file.
    """
    tables, decoder = read_toml(path), Decoder(str(path))
    wiring = Wiring([], [])
    for key, found in tables.items():
        if key not in {"sensor", "loop"} or not isinstance(found, list):
            decoder.problem(key, "is neither [[sensor]] nor [[loop]]", "remove it")
            continue
        for i, table in enumerate(found):
            if key == "loop":
                wiring.loops.append(_loop(decoder, table, f"loop[{i}]"))
            else:
                wiring.sensors.append(_sensor(decoder, table, i))
    decoder.raise_if_any()
    return wiring


def _loop(decoder: Decoder, table: dict[str, object], place: str) -> Loop | None:
    loop = decoder.table(table, Loop, place)
    if loop is None:
        return None
    lines = []
    for key in ("output", "input"):
        try:
            lines.append(line_of(getattr(loop, key)))
        except ValueError as err:
            what, _, cure = str(err).partition(": ")
            decoder.problem(f"{place}.{key}", what, cure)
    if len(lines) == 2 and lines[0] == lines[1]:
        decoder.problem(place, "begins and ends at one line", "name its two ends")
    return loop


def _sensor(decoder: Decoder, table: dict[str, object], i: int) -> Sensor | None:
    name, driver = table.pop("name", f"sensor {i}"), table.pop("driver", "")
    chips = [each for each in plugins.names("drivers") if connection(each)]
    if driver not in chips:
        what = f"{driver!r} drives no chip on a bus"
        decoder.problem(f"sensor[{i}].driver", what, nearest(driver, chips))
        return None
    options = decoder.table(table, plugins.driver(driver).Options, f"sensor[{i}]")
    return Sensor(name, driver, options)


def connection(driver: str) -> Callable[[msgspec.Struct, str], Registers] | None:
    """Return how a driver connects by itself to its chip, None if to none."""
    parameters = inspect.signature(plugins.driver(driver).Driver).parameters
    return parameters["connect"].default if "connect" in parameters else None


class Here:
    """The buses and the clock of this computer, with the methods of `SimulatedBus`."""

    def __init__(self, driver: str) -> None:
        self.connect = connection(driver)

    @property
    def now_ns(self) -> int:
        return self.clock()

    def clock(self) -> int:
        return time.monotonic_ns()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Ear:
    """A connection that remembers what was written, and what was then read back."""

    bus: Commands
    written: dict[int, bytes] = field(default_factory=dict)
    held: dict[int, bytes] = field(default_factory=dict)
    """Registers that held what had been written there when they were read, and
    commands that were answered."""
    last: int = 0
    """The last command."""

    def __str__(self) -> str:
        return str(self.bus)

    def read(self, register: int, length: int) -> bytes:
        data = self.bus.read(register, length)
        if self.written.get(register) == data:
            self.held[register] = data
        return data

    def read_many(self, register: int, length: int, times: int) -> bytes:
        return self.bus.read_many(register, length, times)

    def write(self, register: int, data: bytes) -> None:
        self.bus.write(register, data)
        self.written[register] = data
        self.last = register

    def receive(self, length: int) -> bytes:
        data = self.bus.receive(length)
        self.held[self.last] = data
        return data

    def nobody(self) -> BusError:
        assert isinstance(self.bus, SpiConnection)
        return self.bus.nobody()

    def close(self) -> None:
        self.bus.close()
