"""Hardware monitors of the kernel: temperatures, fans, voltages.

Source: Documentation/hwmon/sysfs-interface.rst of the kernel, "Naming and data
format standards" (the units; `name`; `*_fault`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.buses import sysfs
from sensorml.errors import BusError, SensorError
from sensorml.interfaces import Cures, SensorOptions
from sensorml.types import Block, Channel

_UNITS = {
    "temp": ("degC", 1e3),
    "in": ("V", 1e3),
    "curr": ("A", 1e3),
    "power": ("W", 1e6),
    "energy": ("J", 1e6),
    "humidity": ("%", 1e3),
    "fan": ("rpm", 1),
}
"""The unit of each kind of channel, and the number of kernel units in one."""

Input = Annotated[
    str,
    Meta(
        pattern=r"^(temp|in|curr|power|energy|humidity|fan)[0-9]+\Z",
        examples=["temp1", "fan1"],
    ),
]


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "hwmon"`."""

    chip: str = "cpu_thermal"
    """The content of its file `name`, or its number ("hwmon0")."""
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1)] = ("temp1",)
    """The prefixes of its `…_input` files: "temp1", "fan2", "in0"."""
    rate_hz: Annotated[Rate, Meta(le=10)] = 1.0

    @property
    def thread(self) -> str:
        return "sysfs"

    @property
    def cures(self) -> Cures:
        return Cures(stale="check the device and its driver (dmesg)")


def channels(options: Options) -> Sequence[Channel]:
    return tuple(Channel(each, _UNITS[_kind(each)][0]) for each in options.inputs)


def decode(name: str, value: float) -> float:
    """Turn the kernel's number into the unit of the channel.

    >>> decode("temp1", 48312), decode("in0", 5120), decode("fan2", 1480)
    (48.312, 5.12, 1480.0)
    >>> decode("power1", 2_500_000)
    2.5
    """
    return value / _UNITS[_kind(name)][1]


def _kind(name: str) -> str:
    return re.sub(r"\d+$", "", name)


class Driver:
    """Inputs of one chip."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        root: Path = sysfs.ROOT,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock
        self._chips = root / "class/hwmon"
        self._chip: Path | None = None

    def start(self) -> None:
        self._chip = sysfs.find(self._chips, "hwmon*", self._options.chip, "name")
        self._rows = PolledRows(self._options.rate_hz, self._clock)

    def read(self) -> Block:
        if self._chip is None:
            raise BusError("hwmon: not started")
        chip = self._chip
        return self._rows.row([_measured(chip, each) for each in self._options.inputs])

    def stop(self) -> None:
        self._chip = None


def _measured(chip: Path, name: str) -> float:
    fault = chip / f"{name}_fault"
    if fault.is_file() and sysfs.number(fault):
        raise SensorError(f"{fault}: a sensor is missing: check its wiring")
    return decode(name, sysfs.number(chip / f"{name}_input"))
