"""DS18B20 temperature sensor on 1-Wire, read by the kernel.

Sources: Documentation/w1/slaves/w1_therm.rst of the kernel (the file
`temperature`, in m°C; the kernel checks the CRC); Maxim/Analog Devices DS18B20
data sheet, "Operation - Measuring Temperature" (Table 1: +85 °C is the value
after power-on) and "Electrical Characteristics" (750 ms at 12 bits).

It needs `dtoverlay=w1-gpio` in config.txt. A read takes as long as the conversion, so
all sensors on 1-Wire share a separate thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.buses import sysfs
from sensorml.errors import BusError, SensorError
from sensorml.interfaces import Claim, SensorOptions
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"),)

_POWER_ON_C = 85.0
_NEAR_C = 5.0
"""A reading of 85 °C is accepted if the last one was this close to it."""


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ds18b20"`."""

    id: Annotated[
        str, Meta(pattern=r"^(28-[0-9a-f]{12})?\Z", examples=["28-0123456789ab"])
    ] = ""
    """Its name in /sys/bus/w1/devices, 28-0316a2794dff; "": the only sensor there."""
    rate_hz: Annotated[Rate, Meta(le=1)] = 1.0

    @property
    def thread(self) -> str:
        return "w1"

    @property
    def pi_lines(self) -> Sequence[int]:
        return (4,)

    def claims(self) -> Iterable[Claim]:
        name = self.id or "that is the only one"
        yield Claim("id", f"the ds18b20 device {name}", certain=False)


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(millicelsius: float, last_c: float | None = None) -> float:
    """Turn the kernel's value into °C.

    The chip reads as exactly 85 °C before its first conversion, so this value is only
    accepted after a reading near it (data sheet, Table 1).

    >>> decode(25062), decode(-55000), decode(85000, last_c=84.9)
    (25.062, -55.0, 85.0)

    Raises:
        ValueError: it is no measured temperature.
    """
    celsius = millicelsius / 1000
    if not -55 <= celsius <= 125:
        raise ValueError(f"{celsius} °C: outside what a DS18B20 measures")
    if celsius == _POWER_ON_C and (last_c is None or abs(last_c - celsius) > _NEAR_C):
        raise ValueError(
            "85 °C, the value before the first conversion: check the supply and the "
            "pull-up of 4.7 kΩ"
        )
    return celsius


class Driver:
    """One DS18B20."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        root: Path = sysfs.ROOT,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock
        self._devices = root / "bus/w1/devices"
        self._file: Path | None = None

    def start(self) -> None:
        self.stop()
        self._file = self._find() / "temperature"
        self._rows = PolledRows(self._options.rate_hz, self._clock)
        self._last_c: float | None = None

    def read(self) -> Block:
        if self._file is None:
            raise BusError("ds18b20: not started")
        try:
            self._last_c = decode(sysfs.number(self._file), self._last_c)
        except ValueError as err:
            raise SensorError(f"{self._file}: {err}") from err
        return self._rows.row((self._last_c,))

    def stop(self) -> None:
        self._file = None

    def _find(self) -> Path:
        if self._options.id:
            return sysfs.find(self._devices, "28-*", self._options.id)
        found = sorted(self._devices.glob("28-*"))
        if len(found) == 1:
            return found[0]
        raise BusError(
            f"{self._devices}: "
            + (
                f"there are {', '.join(f.name for f in found)}: choose one by id"
                if found
                else "no 28-*: check the wiring, the pull-up of 4.7 kΩ and "
                "dtoverlay=w1-gpio in config.txt"
            )
        )
