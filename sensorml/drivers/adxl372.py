"""ADXL372 accelerometer: three axes, 12 bits, ±200 g, up to 6400 Hz, on I2C or SPI.

Data sheet: Analog Devices ADXL372 Rev. B, "Specifications" (Table 1), "Using the FIFO",
"FIFO Interrupts", "SPI Protocol", "I2C Protocol" and "Register Map". The registers
agree with Linux, drivers/iio/accel/adxl372.c. Its self-test is not used.

It is for shocks: a count is 0.1 g, and a machine at rest may show the same count for
ever, so no number of identical rows proves that the sensor is frozen.

The FIFO counts axes. Each is 12 bits, left-justified in 16; the lowest bit marks X. A
read leaves the newest row in it, or rows might be stored out of order ("Using the
FIFO"), so each row is at least one period old when it is read.

SPI is the better choice. "I2C Protocol" limits the rate to 200 Hz at 100 kHz and to
800 Hz at 400 kHz, above which samples may be missing. On I2C the first revisions need a
bus of their own: they answer to bytes for other chips that look like their address.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.registers import configure, identify, read_rows
from sensorml.buses import spi
from sensorml.buses.fault_codes import read_status
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel, Float32

CHANNELS = ACCELERATION
IDENTITY = Identity(0x02, {0xFA: "ADXL372"}, addresses=(0x1D, 0x53))

ROW_BYTES: Final = 6
ROW_ENTRIES: Final = 3
FIFO_ROWS: Final = 512 // ROW_ENTRIES - 1
"""Besides the one that a read leaves."""
USUAL_ROWS: Final = 80
SPI: Final = spi.Framing(mode=0, read=0x01, shift=1)
FULL_SCALE_G: Final = 204.65  # 2047 counts are 204.7 g

_STATUS, _FIFO_ENTRIES = 0x04, 0x06
_FIFO_SAMPLES, _FIFO_CTL, _INT1_MAP = 0x39, 0x3A, 0x3B
_TIMING, _MEASURE, _POWER_CTL, _FIFO_DATA = 0x3D, 0x3E, 0x3F, 0x42

_STANDBY = 0x00
_MEASURING = 0x1F  # no high-pass and no activity filter, settled within 16 ms
_STREAM, _FIFO_OFF = 0x02, 0x00  # FIFO_MODE, all three axes
_AT_WATERMARK = 0x04  # FIFO_FULL: FIFO_SAMPLES entries are there
_MARKS, _ROW_MARKS = 0x01, (1, 0, 0)
_G_PER_COUNT = 0.1
_RATE_CODE = {400: 0, 800: 1, 1600: 2, 3200: 3, 6400: 4}


class Options(spi.SpiOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "adxl372"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x1D
    """0x1D with the pin MISO low, 0x53 with it high."""
    rate_hz: Literal[400, 800, 1600, 3200, 6400] = 800
    range_g: Literal[200] = 200
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """At how many rows its FIFO is read; by default after 50 ms at the latest."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes) -> Float32:
    """Turn rows of the FIFO, 6 bytes each, into g of shape (n, 3).

    A count is 100 mg (Table 1), 12 bits left-justified in 16; the lowest four bits
    are left out here:

    >>> decode(bytes.fromhex("0011 fff0 7ff0")).round(4).tolist()
    [[0.10000000149011612, -0.10000000149011612, 204.6999969482422]]
    """
    counts = np.frombuffer(raw, ">i2").reshape(-1, 3) >> 4
    return counts * np.float32(_G_PER_COUNT)


def _waiting(bus: Registers) -> int:
    """Return the axes in the FIFO, of whole rows but the newest one."""
    entries = int.from_bytes(read_status(bus, _FIFO_ENTRIES, 2), "big")
    return max(0, entries - entries % ROW_ENTRIES - ROW_ENTRIES)


class Driver:
    """One ADXL372, read from its FIFO in stream mode."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = SPI.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._chip = FifoChip(
            options,
            "adxl372",
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_POWER_CTL: _STANDBY},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self.frozen_rows = None

    def start(self) -> str | None:
        bus = self._chip.open()
        warning = identify(bus, IDENTITY)
        bus.write(_POWER_CTL, bytes((_STANDBY,)))
        bus.write(_FIFO_CTL, bytes((_FIFO_OFF,)))  # empties it
        rate = _RATE_CODE[self._options.rate_hz]
        mark = ROW_ENTRIES * (self._chip.watermark + 1)
        configure(
            bus,
            {
                _FIFO_SAMPLES: mark & 0xFF,
                _INT1_MAP: _AT_WATERMARK if self.interrupt.wired else 0,
                _TIMING: rate << 5,
                _MEASURE: rate,  # the bandwidth: half the rate
                _FIFO_CTL: _STREAM | mark >> 8,
                _POWER_CTL: _MEASURING,
            },
        )
        self._chip.collect(
            FULL_SCALE_G, configured=(_POWER_CTL, _MEASURING), per_row=ROW_ENTRIES
        )
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        block = self._chip.read(lambda: _waiting(bus), self._take, decode)
        if self.interrupt.wired:
            bus.read(_STATUS, 1)  # lets the pin fall
        if block is None:
            return None
        period_ns = round(1e9 / block.rate_hz)
        return replace(
            block,
            start_ns=block.start_ns - period_ns,
            age_ns=block.age_ns + period_ns,
        )

    def stop(self) -> None:
        self._chip.close()

    def _take(self, entries: int) -> bytes:
        """Take rows out of the FIFO, and their marks off.

        Raises:
            SensorError: the marks are not those of rows.
        """
        rows = entries // ROW_ENTRIES
        raw = read_rows(self._chip.bus, _FIFO_DATA, rows, ROW_BYTES)
        axes = np.frombuffer(raw, ">u2").reshape(-1, ROW_ENTRIES)
        if (axes & _MARKS != _ROW_MARKS).any():
            raise SensorError(
                f"{self._chip.bus}: the FIFO's entries are not X, Y and Z in turn: "
                "check the data line and the pull-ups, lower the bus speed"
            )
        return (axes & ~np.uint16(_MARKS)).astype(">u2").tobytes()
