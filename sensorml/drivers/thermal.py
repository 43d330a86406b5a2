"""A temperature zone of this computer: its processor, its power supply.

Source: Documentation/driver-api/thermal/sysfs-api.rst of the kernel (`temp` in
m°C, `type`).
"""

from __future__ import annotations

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

CHANNELS = (Channel("temperature", "degC"),)


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "thermal"`."""

    zone: str = "thermal_zone0"
    """The zone's name or its type; on a Raspberry Pi zone 0 is "cpu-thermal"."""
    rate_hz: Annotated[Rate, Meta(le=10)] = 1.0

    @property
    def thread(self) -> str:
        return "sysfs"

    @property
    def cures(self) -> Cures:
        return Cures(stale="check the device and its driver (dmesg)")


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(millicelsius: float) -> float:
    """Turn m°C into °C.

    >>> decode(48312)
    48.312
    """
    return millicelsius / 1000


class Driver:
    """One zone."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        root: Path = sysfs.ROOT,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock
        self._zones = root / "class/thermal"
        self._file: Path | None = None

    def start(self) -> None:
        zone = sysfs.find(self._zones, "thermal_zone*", self._options.zone, "type")
        self._file = zone / "temp"
        self._rows = PolledRows(self._options.rate_hz, self._clock)

    def read(self) -> Block:
        if self._file is None:
            raise BusError("thermal: not started")
        celsius = decode(sysfs.number(self._file))
        if not -60 <= celsius <= 200:
            raise SensorError(
                f"{self._file}: {celsius} °C is impossible: choose another zone"
            )
        return self._rows.row((celsius,))

    def stop(self) -> None:
        self._file = None
