"""Any sensor that has a kernel driver of the Industrial I/O kind, polled.

Source: Documentation/ABI/testing/sysfs-bus-iio of the kernel: a measurement is
(raw + offset) × scale in the unit given there, or ready in `…_input`; scale and
offset may be shared by all channels of a type.

For hundreds of samples a second use a driver that drains a FIFO: here a sample
is a file that is read, and its time that of the reading.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta

from sensorml.buses import sysfs
from sensorml.buses.polled import PolledRows
from sensorml.errors import BusError
from sensorml.schema import Table
from sensorml.types import Block, Channel

_UNITS = {
    "accel": ("g", 1 / 9.80665),  # from m/s²
    "anglvel": ("rad/s", 1.0),
    "concentration": ("%", 1.0),
    "current": ("A", 1e-3),
    "distance": ("m", 1.0),
    "humidityrelative": ("%", 1e-3),
    "illuminance": ("lx", 1.0),
    "magn": ("G", 1.0),
    "power": ("W", 1e-3),
    "pressure": ("Pa", 1e3),  # from kPa
    "resistance": ("ohm", 1.0),
    "temp": ("degC", 1e-3),
    "voltage": ("V", 1e-3),
}
"""The unit of a channel, and what one of the kernel's units is in it; a type
that is not here is passed on as it is."""

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]*$")]


class Options(Table, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "iio"`."""

    device: str = "iio:device0"
    """What its file `name` says ("bmp280"), or its number."""
    inputs: Annotated[tuple[Name, ...], Meta(min_length=1)] = ("temp",)
    """What is between `in_` and `_raw`: "temp", "accel_x", "voltage0"."""
    rate_hz: Annotated[float, Meta(gt=0, le=100)] = 1.0

    @property
    def thread(self) -> str:
        return f"iio-{self.device}"


class Source(NamedTuple):
    """Where one channel's value is, and how it is scaled: unit per count."""

    file: Path
    offset: float
    scale: float


def channels(options: Options) -> Sequence[Channel]:
    return tuple(Channel(each, _unit(each)[0]) for each in options.inputs)


def decode(raw: float, offset: float, scale: float) -> float:
    """Turn a raw value into the unit of its channel: the offset comes first.

    >>> decode(12, 25, 1.0)
    37.0
    """
    return (raw + offset) * scale


def _type(name: str) -> str:
    return re.split("[^a-z]", name)[0]


def _unit(name: str) -> tuple[str, float]:
    return _UNITS.get(_type(name), ("", 1.0))


def _names(name: str) -> Iterator[str]:
    """Yield under which names scale and offset may be, the channel's own first.

    >>> list(_names("accel_x")), list(_names("voltage0-voltage1"))
    (['accel_x', 'accel'], ['voltage0-voltage1', 'voltage-voltage', 'voltage'])
    """
    yield from dict.fromkeys((name, re.sub(r"\d", "", name), _type(name)))


def source(device: Path, name: str) -> Source:
    """Find the files of one channel.

    Raises:
        BusError: it has no such channel; or a file cannot be read.
    """
    to_unit = _unit(name)[1]
    ready, raw = device / f"in_{name}_input", device / f"in_{name}_raw"
    if raw.is_file():
        offset = _shared(device, name, "offset", 0.0)
        return Source(raw, offset, _shared(device, name, "scale", 1.0) * to_unit)
    if ready.is_file():
        return Source(ready, 0.0, to_unit)
    there = sorted({f.name[3:].rpartition("_")[0] for f in device.glob("in_*_raw")})
    there += sorted(f.name[3:].rpartition("_")[0] for f in device.glob("in_*_input"))
    raise BusError(
        f"{device}: there is no in_{name}_raw: its inputs are "
        f"{', '.join(there) or 'none'}"
    )


def _shared(device: Path, name: str, what: str, without: float) -> float:
    for each in _names(name):
        if (file := device / f"in_{each}_{what}").is_file():
            return sysfs.number(file)
    return without


class Driver:
    """Some channels of one device."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        root: Path = sysfs.ROOT,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock
        self._devices = root / "bus/iio/devices"
        self._sources: list[Source] = []

    def start(self) -> None:
        self.stop()
        wanted = self._options.device
        device = sysfs.find(self._devices, "iio:device*", wanted, "name")
        self._sources = [source(device, each) for each in self._options.inputs]
        self._rows = PolledRows(self._options.rate_hz, self._clock)

    def read(self) -> Block:
        if not self._sources:
            raise BusError("iio: not started")
        return self._rows.row(
            [decode(sysfs.number(s.file), s.offset, s.scale) for s in self._sources]
        )

    def stop(self) -> None:
        self._sources = []
