"""BME280 and BMP280: temperature, pressure and humidity of the air, on I2C.

Data sheets: Bosch BST-BME280-DS002, sections 3.3 (modes), 4.2.2 (trimming
parameters), 5.3 and 5.4 (memory map, registers) and 8.1 (compensation formulas
in double precision); BST-BMP280-DS001, section 4 (memory map).

A BMP280 is a BME280 without humidity, and often sold as one. With `chip = "bmp280"`
there is no channel for it; with "bme280" a BMP280 causes a warning, and the humidity
is absent (NaN): models that need it do not judge. Identities from the kernel's
drivers/iio/pressure/bmp280.h; 0x56 and 0x57 are samples of the BMP280.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import Recognised, recognise
from sensorml.buses import i2c
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (
    Channel("temperature", "degC"),
    Channel("pressure", "Pa"),
    Channel("humidity", "%"),
)
IDENTITY = Identity(
    0xD0,
    {0x60: "BME280", 0x58: "BMP280", 0x57: "BMP280", 0x56: "BMP280"},
    addresses=(0x76, 0x77),
    others={0x61: "BME680"},
)
_BMP280 = frozenset({0x56, 0x57, 0x58})
MAX_RATE_HZ = 5.0  # a measurement every 125 ms, which takes 9 ms

_TRIM_1, _TRIM_1_LENGTH = 0x88, 26
_TRIM_2, _TRIM_2_LENGTH = 0xE1, 7
_NO_TRIM_2 = bytes(_TRIM_2_LENGTH)
_CTRL_HUM = 0xF2
_CTRL_MEAS = 0xF4
_CONFIG = 0xF5
_DATA, _DATA_LENGTH, _DRY_LENGTH = 0xF7, 8, 6

_SLEEP = b"\x00"
_NORMAL = b"\x27"  # temperature and pressure × 1, normal mode
_HUMIDITY = b"\x01"  # × 1
_STANDBY_125_MS = b"\x40"  # filter off

_SKIPPED_20, _SKIPPED_16 = 0x80000, 0x8000


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "bme280"`."""

    address: Annotated[int, Meta(ge=0x76, le=0x77)] = 0x76
    """0x76 with the pin SDO low, 0x77 with it high."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    chip: Literal["bme280", "bmp280"] = "bme280"
    """"bmp280": without humidity."""


class Trim(NamedTuple):
    """The factory calibration of one chip (section 4.2.2, Table 16)."""

    t: tuple[int, ...]
    p: tuple[int, ...]
    h: tuple[int, ...]


class Counts(NamedTuple):
    """The raw values of the converter."""

    t: int
    p: int
    h: int


def channels(options: Options) -> Sequence[Channel]:
    return CHANNELS if options.chip == "bme280" else CHANNELS[:2]


def unpack_trim(first: bytes, second: bytes) -> Trim:
    """Unpack the parameters from 0x88 to 0xA1 and from 0xE1 to 0xE7.

    h4 and h5 share the byte at 0xE5, four bits each:

    >>> unpack_trim(bytes(26), bytes.fromhex("7201001323001e")).h
    (0, 370, 0, 307, 2, 30)
    """
    t = struct.unpack_from("<Hhh", first)
    p = struct.unpack_from("<Hhhhhhhhh", first, 6)
    h2, h3, high_4, shared, high_5, h6 = struct.unpack("<hBbBbb", second)
    h = (first[25], h2, h3, high_4 << 4 | shared & 0x0F, high_5 << 4 | shared >> 4, h6)
    return Trim(t, p, h)


def unpack(data: bytes) -> Counts:
    """Unpack the registers from 0xF7 to 0xFE (sections 5.4.7 to 5.4.9)."""
    return Counts(
        p=int.from_bytes(data[0:3], "big") >> 4,
        t=int.from_bytes(data[3:6], "big") >> 4,
        h=int.from_bytes(data[6:8], "big"),
    )


def decode(counts: Counts, trim: Trim) -> tuple[float, float, float]:
    """Compensate: °C, Pa and % relative humidity (section 8.1).

    The data sheet has no example. These numbers are of its sibling BMP280, whose
    formulas for temperature and pressure are the same (Bosch BST-BMP280-DS001,
    section 3.12). The humidity is tested against the integer formula of section
    4.2.3 and the numbers of another library.

    >>> trim = Trim(
    ...     (27504, 26435, -1000),
    ...     (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000),
    ...     (75, 370, 0, 307, 50, 30),
    ... )
    >>> celsius, pascal, percent = decode(Counts(519888, 415148, 30000), trim)
    >>> round(celsius, 2), round(pascal, 2)
    (25.08, 100653.27)
    """
    t_fine = _t_fine(counts.t, trim.t)
    return (
        t_fine / 5120,
        _pressure_pa(counts.p, t_fine, trim.p),
        _humidity_percent(counts.h, t_fine, trim.h),
    )


def _t_fine(count: int, trim: tuple[int, ...]) -> float:
    t1, t2, t3 = trim
    linear = (count / 16384 - t1 / 1024) * t2
    square = (count / 131072 - t1 / 8192) ** 2 * t3
    return linear + square


def _pressure_pa(count: int, t_fine: float, trim: tuple[int, ...]) -> float:
    p1, p2, p3, p4, p5, p6, p7, p8, p9 = trim
    x = t_fine / 2 - 64000
    offset = (x * x * p6 / 32768 + x * p5 * 2) / 4 + p4 * 65536
    slope = (1 + (p3 * x * x / 524288 + p2 * x) / 524288 / 32768) * p1
    if not slope:
        return 0.0
    pascal = (1048576 - count - offset / 4096) * 6250 / slope
    return pascal + (p9 * pascal**2 / 2147483648 + pascal * p8 / 32768 + p7) / 16


def _humidity_percent(count: int, t_fine: float, trim: tuple[int, ...]) -> float:
    h1, h2, h3, h4, h5, h6 = trim
    x = t_fine - 76800
    sensed = count - (h4 * 64 + h5 / 16384 * x)
    gain = h2 / 65536 * (1 + h6 / 67108864 * x * (1 + h3 / 67108864 * x))
    percent = sensed * gain
    return min(max(percent * (1 - h1 * percent / 524288), 0.0), 100.0)


class Driver:
    """One BME280 or BMP280, which measures continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._width = len(channels(options))
        self._chip = PolledChip(options, "bme280", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        found = recognise(bus, IDENTITY)
        self._humid = self._width == len(CHANNELS) and found.value not in _BMP280
        bus.write(_CTRL_MEAS, _SLEEP)  # config may be ignored in normal mode
        self._chip.configure(
            {
                _CONFIG: _STANDBY_125_MS,
                # Takes effect with the next ctrl_meas.
                **({_CTRL_HUM: _HUMIDITY} if self._humid else {}),
                _CTRL_MEAS: _NORMAL,
            }
        )
        first = bus.read(_TRIM_1, _TRIM_1_LENGTH)
        second = bus.read(_TRIM_2, _TRIM_2_LENGTH) if self._humid else _NO_TRIM_2
        self._trim = unpack_trim(first, second)
        return self._warning(found)

    def _warning(self, found: Recognised) -> str | None:
        if self._width < len(CHANNELS) and found.name:
            return None  # a BME280 has all that a BMP280 has
        if found.value in _BMP280:
            return f'{found.warning}: its humidity is absent, write chip = "bmp280"'
        return found.warning

    def read(self) -> Block:
        data = self._chip.bus.read(_DATA, _DATA_LENGTH if self._humid else _DRY_LENGTH)
        counts = unpack(data if self._humid else data + bytes(2))
        if _SKIPPED_20 in {counts.t, counts.p} or counts.h == _SKIPPED_16:
            raise self._chip.impossible(
                "nothing was measured: check its power supply for dips, and that it "
                "is a BME280 (a BMP280 has no humidity)"
            )
        celsius, pascal, percent = decode(counts, self._trim)
        if not (-40 <= celsius <= 85 and 30_000 <= pascal <= 110_000):
            raise self._chip.impossible(
                f"{celsius:.1f} °C and {pascal:.0f} Pa: outside what a BME280 measures"
            )
        values = celsius, pascal, percent if self._humid else math.nan
        return self._chip.row(values[: self._width])

    def stop(self) -> None:
        self._chip.close({_CTRL_MEAS: _SLEEP})
