"""SHT40, SHT41, SHT43 and SHT45: temperature and relative humidity, on I2C.

Data sheet: Sensirion SHT4x, version 6, sections 3.1 (times), 4.3 to 4.6 (commands,
checksum, formulas). A chip has commands and no registers: its address is not
acknowledged before a measurement is done, and its values can be read once.

No visit waits for a measurement, because each read starts the next one: a row is the
measurement that the read before has started.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.buses import i2c
from sensorml.errors import BusError, BusReason
from sensorml.interfaces import Commands
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"), Channel("humidity", "%"))
MAX_RATE_HZ: Final = 10.0

_MEASURE = 0xFD  # with high repeatability, 8.3 ms at most
_SERIAL_NUMBER = 0x89
_ANSWER_LENGTH = 6  # two words, each with its checksum
_BUSY_NS = 12_000_000
"""The time after which a command has ended in every chip."""


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "sht4x"`."""

    address: Annotated[int, Meta(ge=0x44, le=0x46)] = 0x44
    """0x44, 0x45 or 0x46: it is in the name of the part (SHT40-AD1B has 0x44)."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def checksum(word: bytes) -> int:
    """Return the CRC-8 of a word: polynomial 0x31, from 0xFF (section 4.4).

    >>> hex(checksum(bytes.fromhex("beef")))
    '0x92'
    """
    crc = 0xFF
    for byte in word:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x131 if crc & 0x80 else 0)) & 0x1FF
    return crc


def decode(temperature: int, humidity: int) -> tuple[float, float]:
    """Turn two words into °C and % (section 4.6).

    The formula gives values outside 0 to 100 % near the ends of the range; the data
    sheet has them cropped.

    >>> decode(0x6666, 0x6666)
    (25.0, 44.0)
    >>> decode(0, 0), decode(0xFFFF, 0xFFFF)
    ((-45.0, 0.0), (130.0, 100.0))
    """
    celsius = -45 + 175 * temperature / 0xFFFF
    percent = -6 + 125 * humidity / 0xFFFF
    return celsius, min(max(percent, 0.0), 100.0)


class Driver:
    """One SHT4x."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Commands] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._clock = clock
        self._chip = PolledChip(options, "sht4x", connect, clock)

    def start(self) -> None:
        self._chip.open()
        self._begin(_SERIAL_NUMBER)
        while self._words() is None:
            if not self._is_busy():
                raise self._chip.impossible(
                    "it has no serial number: check that it is an SHT4x, an SHT3x "
                    'needs a driver of the kernel (driver = "hwmon")'
                )
        self._begin(_MEASURE)

    def read(self) -> Block | None:
        words = self._words()
        if words is None and self._is_busy():
            return None
        self._begin(_MEASURE)  # fails if there is no chip
        if words is None:
            raise self._chip.impossible(
                "a measurement was lost: check its power supply for dips, and for "
                "another program that reads it"
            )
        celsius, percent = decode(*words)
        if not -40 <= celsius <= 125:
            raise self._chip.impossible(
                f"{celsius:.1f} °C: outside what an SHT4x measures, check its wiring"
            )
        return self._chip.row((celsius, percent))

    def stop(self) -> None:
        """Only disconnect: the chip sleeps after each measurement."""
        self._chip.close({})

    def _begin(self, command: int) -> None:
        self._chip.bus.write(command, b"")
        self._begun_ns = self._clock()

    def _is_busy(self) -> bool:
        return self._clock() - self._begun_ns < _BUSY_NS

    def _words(self) -> tuple[int, int] | None:
        """Return the two words of an answer, or None if there is none.

        Raises:
            SensorError: a checksum is wrong.
        """
        try:
            raw = self._chip.bus.receive(_ANSWER_LENGTH)
        except BusError as err:
            if err.reason is not BusReason.NOBODY:
                raise
            return None
        first, sum_1, second, sum_2 = struct.unpack(">2sB2sB", raw)
        if (checksum(first), checksum(second)) != (sum_1, sum_2):
            raise self._chip.impossible(
                f"the checksums of {raw.hex()} are wrong: check that it is an SHT4x, "
                "its wiring and its pull-ups"
            )
        return int.from_bytes(first, "big"), int.from_bytes(second, "big")
