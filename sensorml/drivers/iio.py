"""Industrial I/O: any sensor with a kernel driver of that subsystem.

Source: Documentation/ABI/testing/sysfs-bus-iio of the kernel: a measurement is
(raw + offset) × scale in the unit given there, or final in `…_input`; all channels of
a type may share scale and offset.

A polled sample is read from a file, and its time is the time of the read. With
`buffered = true` the kernel collects at the sensor's own rate, and each scan contains
its time if the driver provides it.

With `uri` the device belongs to another computer and is read by libiio. On this
computer libiio would read the same files.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta

from sensorml.acquisition.fifo_schedule import FifoSchedule
from sensorml.acquisition.iio_scans import Scaled, Scans, prepare
from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.buses import iio_remote as libiio
from sensorml.buses import sysfs
from sensorml.buses.iio_buffer import Buffer
from sensorml.buses.iio_remote import Attributes
from sensorml.errors import BusError, OptionError
from sensorml.interfaces import Claim, SensorOptions
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
"""The unit of each type of channel, and the value of one kernel unit in it; other
types are returned without a unit or a conversion."""

DEVICES = Path("bus/iio/devices")
"""The folder of the devices, under /sys."""

MAX_POLLED_HZ = 100
BACKLOG_S = 2.0
"""The time of samples that the kernel keeps for a late read."""

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]*\Z", examples=["accel_x"])]


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "iio"`."""

    device: str = "iio:device0"
    """The content of its file `name` ("bmp280"), or its number."""
    uri: (
        Annotated[
            str, Meta(pattern=r"^[a-z]+:[!-~]*\Z", examples=["local:", "ip:192.0.2.7"])
        ]
        | None
    ) = None
    """The other computer in libiio's notation: "ip:192.168.1.5" (running iiod),
    "usb:1.5.0"; omitted: this computer."""
    inputs: Annotated[tuple[Name, ...], Meta(min_length=1)] = ("temp",)
    """The part between `in_` and `_raw`: "temp", "accel_x", "voltage0"."""
    rate_hz: Annotated[Rate, Meta(le=100_000)] = 1.0
    """The polling rate; with `buffered`, the sampling frequency."""
    buffered: bool = False
    trigger: Annotated[str, Meta(min_length=1)] | None = None
    """The name of the trigger that starts a scan, unless the driver has its own:
    "mpu6050-dev0", or an hrtimer trigger. Only with `buffered`."""

    def __post_init__(self) -> None:
        if self.buffered and self.uri is not None:
            raise OptionError(
                "has a uri and is buffered",
                "remove buffered, only this computer's buffers can be read",
            )
        if self.uri is not None and not self.device.isascii():
            raise OptionError(
                f"{self.device!r} is not the name of a device", "write it in ASCII"
            )
        if self.buffered:
            return
        if self.rate_hz > MAX_POLLED_HZ:
            raise OptionError(
                f"rate_hz = {self.rate_hz:g} is too much for polling",
                f"set buffered = true, or rate_hz to {MAX_POLLED_HZ} at most",
            )
        if self.trigger is not None:
            raise OptionError(
                "has a trigger and is not buffered", "add buffered = true"
            )

    @property
    def thread(self) -> str:
        return f"iio-{self.uri or self.device}"

    def claims(self) -> Iterator[Claim]:
        name = f"{self.uri} {self.device}" if self.uri else self.device
        yield Claim("device", f"the iio device {name}", certain=False)

    def held(self) -> Iterable[str]:
        if self.uri is not None:
            return super().held()
        return [f"the iio device {_find(sysfs.ROOT / DEVICES, self.device).name}"]


class Source(NamedTuple):
    """The reader of one channel's value, its offset and its scale (unit per count)."""

    read: Callable[[], float]
    offset: float
    scale: float


def channels(options: Options) -> Sequence[Channel]:
    return tuple(Channel(each, _unit(each)[0]) for each in options.inputs)


def decode(raw: float, offset: float, scale: float) -> float:
    """Turn a raw value into the unit of its channel; the offset is added first.

    >>> decode(12, 25, 1.0)
    37.0
    """
    return (raw + offset) * scale


def _type(name: str) -> str:
    return re.split("[^a-z]", name)[0]


def _unit(name: str) -> tuple[str, float]:
    return _UNITS.get(_type(name), ("", 1.0))


def _names(name: str) -> Iterator[str]:
    """Yield the possible names of scale and offset, the channel's own name first.

    >>> list(_names("accel_x")), list(_names("voltage0-voltage1"))
    (['accel_x', 'accel'], ['voltage0-voltage1', 'voltage-voltage', 'voltage'])
    """
    yield from dict.fromkeys((name, re.sub(r"\d", "", name), _type(name)))


def source(name: str, attributes: Attributes) -> Source:
    """Return the reader and the scaling of one channel.

    Raises:
        BusError: an attribute cannot be read.
    """
    to_unit = _unit(name)[1]
    if "raw" not in attributes:
        return Source(attributes["input"], 0.0, to_unit)
    offset = attributes["offset"]() if "offset" in attributes else 0.0
    scale = attributes["scale"]() if "scale" in attributes else 1.0
    return Source(attributes["raw"], offset, scale * to_unit)


def _find(devices: Path, name: str) -> Path:
    return sysfs.find(devices, "iio:device*", name, "name")


def files(device: Path, name: str) -> Attributes:
    """Return the attributes of one channel on this computer.

    Raises:
        BusError: there is no such channel.
    """
    own = {what: device / f"in_{name}_{what}" for what in ("raw", "input")}
    found = {what: file for what, file in own.items() if file.is_file()}
    if found:
        for what, shared in product(("offset", "scale"), _names(name)):
            if (file := device / f"in_{shared}_{what}").is_file():
                found.setdefault(what, file)
        return {what: partial(sysfs.number, file) for what, file in found.items()}
    there = sorted({f.name[3:].rpartition("_")[0] for f in device.glob("in_*_raw")})
    there += sorted(f.name[3:].rpartition("_")[0] for f in device.glob("in_*_input"))
    raise BusError(
        f"{device}: there is no in_{name}_raw: its inputs are "
        f"{', '.join(there) or 'none'}"
    )


class Driver:
    """Channels of one device, polled or from its buffer."""

    def __init__(
        self,
        options: Options,
        clock: Callable[[], int] = time.monotonic_ns,
        root: Path = sysfs.ROOT,
        nodes: Path = Path("/dev"),
    ) -> None:
        self.period_s = 1 / options.rate_hz
        if options.buffered:
            kept = math.ceil(BACKLOG_S * options.rate_hz)
            drain = FifoSchedule(options.rate_hz, None, depth=kept, usual=kept)
            self.period_s = drain.period_s()
        self._options = options
        self._clock = clock
        self._devices = root / DEVICES
        self._nodes = nodes
        self._sources: list[Source] = []
        self._scans: Scans | None = None

    def start(self) -> None:
        self.stop()
        options = self._options
        if options.uri is not None:
            remote = libiio.RemoteDevice(options.uri, options.device)
            sources = [source(each, remote.attributes(each)) for each in options.inputs]
        else:
            device = _find(self._devices, options.device)
            sources = [source(each, files(device, each)) for each in options.inputs]
            if options.buffered:
                self._scans = self._collecting(device)
        self._rows = PolledRows(options.rate_hz, self._clock)
        self._sources = sources

    def read(self) -> Block | None:
        if not self._sources:
            raise BusError("iio: not started")
        if self._scans is not None:
            named = zip(self._options.inputs, self._sources, strict=True)
            return self._scans.block([Scaled(n, s.offset, s.scale) for n, s in named])
        return self._rows.row(
            [decode(s.read(), s.offset, s.scale) for s in self._sources]
        )

    def stop(self) -> None:
        self._sources = []
        if self._scans is not None:
            collecting, self._scans = self._scans, None
            collecting.close()

    def _collecting(self, device: Path) -> Scans:
        """Start collecting in the kernel."""
        options = self._options
        names = [f"in_{name}_" for each in options.inputs for name in _names(each)]
        rate_hz = prepare(device, names, options.rate_hz, options.trigger)
        kept = math.ceil(BACKLOG_S * rate_hz)
        node = self._nodes / device.name
        buffer = Buffer(device, node, options.inputs, scans=kept)
        return Scans(buffer, rate_hz, kept, self._clock)
