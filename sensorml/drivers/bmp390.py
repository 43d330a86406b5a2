"""BMP390 and BMP388: temperature and pressure of the air, on I2C.

Data sheet: Bosch BST-BMP390-DS002, sections 3.11.1 (trimming coefficients), 4.3
(registers) and 8.4 to 8.6 (compensation in real numbers); BST-BMP388-DS001 has the
same registers. The data sheets have no numbers to check with: those below are of a real
chip, from the tests of Shimmer's open Java driver.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import identify
from sensorml.buses import i2c
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"), Channel("pressure", "Pa"))
IDENTITY = Identity(0x00, {0x60: "BMP390", 0x50: "BMP388"}, addresses=(0x76, 0x77))
MAX_RATE_HZ: Final = 10.0

_DATA, _DATA_LENGTH = 0x04, 6
_PWR_CTRL, _OSR, _ODR, _CONFIG = 0x1B, 0x1C, 0x1D, 0x1F
_TRIM, _TRIM_LENGTH = 0x31, 21

_SLEEP = b"\x00"
_NORMAL = b"\x33"  # pressure and temperature, normal mode
_PRESSURE_8 = b"\x03"  # oversampling, that of the temperature is 1: 20 ms
_25_HZ = b"\x03"
_UNFILTERED = b"\x00"
_SKIPPED = 0x800000
_SCALES = (
    *(2.0**8, 2.0**-30, 2.0**-48),
    *(2.0**-20, 2.0**-29, 2.0**-32, 2.0**-37, 2.0**3, 2.0**-6),
    *(2.0**-8, 2.0**-15, 2.0**-48, 2.0**-48, 2.0**-65),
)


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "bmp390"`."""

    address: Annotated[int, Meta(ge=0x76, le=0x77)] = 0x77
    """0x76 with the pin SDO low, 0x77 with it high."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def unpack_trim(raw: bytes) -> tuple[float, ...]:
    """Return the coefficients T1 to T3 and P1 to P11, scaled (section 8.4).

    >>> raw = bytes.fromhex("e76bf04af9ab1c9b150601d249185f03fa3a0f07f5")
    >>> t1, t2, *_ = unpack_trim(raw)
    >>> t1, round(t2 * 2**30)
    (7071488.0, 19184)
    """
    t1, t2, t3, p1, p2, *others = struct.unpack("<HHbhhbbHHbbhbb", raw)
    # P1 and P2 count from 2^14.
    values = (t1, t2, t3, p1 - 2**14, p2 - 2**14, *others)
    return tuple(v * scale for v, scale in zip(values, _SCALES, strict=True))


def decode(
    temperature: int, pressure: int, trim: Sequence[float]
) -> tuple[float, float]:
    """Compensate: °C and Pa (sections 8.5 and 8.6).

    >>> raw = bytes.fromhex("e76bf04af9ab1c9b150601d249185f03fa3a0f07f5")
    >>> celsius, pascal = decode(0x7FCF00, 0x641700, unpack_trim(raw))
    >>> round(celsius, 4), round(pascal, 4)
    (23.2659, 100912.8176)
    """
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11 = trim
    above = temperature - t1
    t = above * t2 + above**2 * t3
    offset = p5 + p6 * t + p7 * t**2 + p8 * t**3
    slope = p1 + p2 * t + p3 * t**2 + p4 * t**3
    square = p9 + p10 * t
    pascal = offset + pressure * slope + pressure**2 * square + pressure**3 * p11
    return t, pascal


class Driver:
    """One BMP390 or BMP388, which measures continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._chip = PolledChip(options, "bmp390", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        warning = identify(bus, IDENTITY)
        self._chip.configure(
            {
                _OSR: _PRESSURE_8,
                _ODR: _25_HZ,
                _CONFIG: _UNFILTERED,
                _PWR_CTRL: _NORMAL,
            }
        )
        self._trim = unpack_trim(bus.read(_TRIM, _TRIM_LENGTH))
        return warning

    def read(self) -> Block:
        raw = self._chip.bus.read(_DATA, _DATA_LENGTH)
        pressure = int.from_bytes(raw[:3], "little")
        temperature = int.from_bytes(raw[3:], "little")
        if _SKIPPED in {pressure, temperature}:
            raise self._chip.impossible(
                "nothing was measured: check its power supply for dips"
            )
        celsius, pascal = decode(temperature, pressure, self._trim)
        if not (-40 <= celsius <= 85 and 30_000 <= pascal <= 125_000):
            raise self._chip.impossible(
                f"{celsius:.1f} °C and {pascal:.0f} Pa: outside what a BMP390 measures"
            )
        return self._chip.row((celsius, pascal))

    def stop(self) -> None:
        self._chip.close({_PWR_CTRL: _SLEEP})
