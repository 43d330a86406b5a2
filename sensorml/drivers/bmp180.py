"""BMP180: temperature and pressure of the air, on I2C.

Data sheet: Bosch BST-BMP180-DS000, sections 3.4 (calibration), 3.5 (formulas, with an
example) and 4 (registers). A BMP085 has the same registers and identity.

One converter serves both: a read fetches the pressure that the read before it started,
measures the temperature, which takes 4.5 ms, and starts the next pressure.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import identify
from sensorml.buses import i2c
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"), Channel("pressure", "Pa"))
IDENTITY = Identity(0xD0, {0x55: "BMP180"}, addresses=(0x77,))
MAX_RATE_HZ = 5.0  # a pressure takes 25.5 ms

_CALIBRATION, _WORDS = 0xAA, 11
_CONTROL = 0xF4
_DATA = 0xF6

_RUNNING = 0x20  # SCO; clear when the conversion is done
_OVERSAMPLING = 3  # as OSS: eight conversions
_TEMPERATURE = 0x2E
_PRESSURE = 0x34 | _OVERSAMPLING << 6
_POLLS = 4000
"""Status reads until a temperature counts as failed; 45 are usual at 400 kHz."""


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "bmp180"`."""

    address: Annotated[int, Meta(ge=0x77, le=0x77)] = 0x77
    """The chip has a fixed address."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0


class Calibration(NamedTuple):
    """The factory calibration of one chip (section 3.4, Table 5)."""

    ac1: int
    ac2: int
    ac3: int
    ac4: int
    ac5: int
    ac6: int
    b1: int
    b2: int
    mb: int
    mc: int
    md: int


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(
    temperature: int, pressure: float, calibration: Calibration
) -> tuple[float, float]:
    """Compensate: °C and Pa (section 3.5, in real numbers).

    Args:
        temperature: the count UT.
        pressure: the count UP, without oversampling.
        calibration: of the chip.

    The example of the data sheet, in whole numbers, has 15.0 °C and 69964 Pa:

    >>> values = 408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868
    >>> celsius, pascal = decode(27898, 23843, Calibration(*values))
    >>> round(celsius, 1), round(pascal, -1)
    (15.0, 69960.0)
    """
    c = calibration
    x1 = (temperature - c.ac6) * c.ac5 / 2**15
    b5 = x1 + c.mc * 2**11 / (x1 + c.md)
    b6 = b5 - 4000
    b3 = c.ac1 + (c.b2 * b6 * b6 / 2**23 + c.ac2 * b6 / 2**11) / 4
    x3 = (c.ac3 * b6 / 2**13 + c.b1 * b6 * b6 / 2**28) / 4
    b4 = c.ac4 * (x3 + 32768) / 2**15
    pascal = (pressure - b3) * 50_000 * 2 / b4
    pascal += (pascal * pascal * 3038 / 2**32 - 7357 * pascal / 2**16 + 3791) / 16
    return b5 / 160, pascal


class Driver:
    """One BMP180."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._chip = PolledChip(options, "bmp180", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        warning = identify(bus, IDENTITY)
        raw = bus.read(_CALIBRATION, 2 * _WORDS)
        words = struct.unpack(f">{_WORDS}H", raw)
        if {0x0000, 0xFFFF} & {*words}:
            raise self._chip.impossible(
                "a word of its calibration is empty: check that it is a BMP180, and "
                "its wiring"
            )
        self._calibration = Calibration(*struct.unpack(">hhhHHHhhhhh", raw))
        self._begin(_PRESSURE)
        self._done(_PRESSURE)
        return warning

    def read(self) -> Block | None:
        if not self._done(_PRESSURE):
            return None
        bus = self._chip.bus
        pressure = int.from_bytes(bus.read(_DATA, 3), "big") / 2**8
        self._begin(_TEMPERATURE)
        if not any(self._done(_TEMPERATURE) for _ in range(_POLLS)):
            raise self._chip.impossible("a conversion does not end: power-cycle it")
        temperature = int.from_bytes(bus.read(_DATA, 2), "big")
        self._begin(_PRESSURE)
        celsius, pascal = decode(temperature, pressure, self._calibration)
        if not (-40 <= celsius <= 85 and 30_000 <= pascal <= 110_000):
            raise self._chip.impossible(
                f"{celsius:.1f} °C and {pascal:.0f} Pa: outside what a BMP180 measures"
            )
        return self._chip.row((celsius, pascal))

    def stop(self) -> None:
        """Only disconnect: the chip sleeps after each conversion."""
        self._chip.close({})

    def _begin(self, command: int) -> None:
        self._chip.bus.write(_CONTROL, bytes((command,)))

    def _done(self, command: int) -> bool:
        """Return whether the conversion has ended.

        Raises:
            SensorError: the chip does another one, or none.
        """
        found = self._chip.bus.read(_CONTROL, 1)[0]
        if found | _RUNNING != command | _RUNNING:
            raise self._chip.impossible(
                f"register {_CONTROL:#04x} was set to {command:#04x} and reads "
                f"{found:#04x}: check that it is a BMP180, its wiring, and its power "
                "supply for dips"
            )
        return not found & _RUNNING
