"""ADXL345 accelerometer: three axes, 13 bits, up to 3200 Hz, on I2C or SPI.

Data sheet: Analog Devices ADXL345 Rev. G, sections "SPI", "FIFO" (stream mode)
and "Register Definitions"; Table 7 for the rates, "Data Formatting of Upper Data
Rates" for the lowest bit, "Self-Test" with Tables 14 and 15.

A sample in the FIFO costs a read of its own, 84 bits on the wire: a bus at
100 kHz carries 800 Hz and at 400 kHz 3200 Hz, and nothing else. The data sheet
("I2C", "SPI") requires 400 kHz for 800 Hz and 100 kHz for 200 Hz, and SPI at 2 MHz
above 800 Hz: with a slower bus samples may be missing or noisier.

An ADXL346 or ADXL344 (identity 0xE6) has the same registers up to 0x39. An ADXL375
has the identity of an ADXL345 and 20.5 counts per g: this driver would return a twelfth
of its accelerations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS
from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.registers import configure, identify
from sensorml.buses import spi
from sensorml.buses.fault_codes import read_status
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel, Float32

if TYPE_CHECKING:
    from sensorml.acquisition.self_test import SelfTest

CHANNELS = ACCELERATION
IDENTITY = Identity(
    0x00,
    {0xE5: "ADXL345 or ADXL343", 0xE6: "ADXL346 or ADXL344"},
    addresses=(0x1D, 0x53),
)

FIFO_ROWS = 32
USUAL_ROWS = 14
"""The most rows in the FIFO at a read, by default: they fit into one I2C transfer, and
half stays free."""

SPI = spi.Framing(mode=3, read=0x80, many=0x40, gap_us=5)

_OFFSETS = (0x1E, 0x1F, 0x20)
_BW_RATE = 0x2C
_POWER_CTL = 0x2D
_INT_ENABLE = 0x2E
_INT_MAP = 0x2F
_DATA_FORMAT = 0x31
_DATAX0 = 0x32
_FIFO_CTL = 0x38
_FIFO_STATUS = 0x39

_STANDBY, _MEASURE = 0x00, 0x08
_FULL_RES = 0x08
_PUSH = 0x80  # SELF_TEST of DATA_FORMAT
_BYPASS, _STREAM = 0x00, 0x80
_ENTRIES = 0x3F
_WATERMARK = 0x02  # of INT_ENABLE; INT_MAP 0 is INT1, DATA_FORMAT leaves it active high
_RATE_CODE = {3200 >> i: 0x0F - i for i in range(8)}  # Table 7
_RANGE_CODE = {2: 0, 4: 1, 8: 2, 16: 3}
_SCALE = np.float32(1 / 256)  # g per count at full resolution, whatever the range
# Table 15 (counts at 2.5 V), widened by Table 14 for 2.0 to 3.6 V, because the chip
# does not measure its supply.
_PUSHED_G = (
    (0.64 * 50 / 256, 2.11 * 540 / 256),
    (-2.11 * 540 / 256, -0.64 * 50 / 256),
    (0.8 * 75 / 256, 1.69 * 875 / 256),
)


class Options(spi.SpiOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "adxl345"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x53
    """0x53 with the pin ALT ADDRESS low, 0x1D with it high."""
    rate_hz: Literal[25, 50, 100, 200, 400, 800, 1600, 3200] = 800
    range_g: Literal[2, 4, 8, 16] = 16
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes) -> Float32:
    """Turn entries of the FIFO, 6 bytes each, into g of shape (n, 3).

    256 counts are 1 g at full resolution (data sheet, Table 1):

    >>> decode(bytes([0x00, 0x01, 0x00, 0xFF, 0x01, 0x00])).tolist()
    [[1.0, -1.0, 0.00390625]]
    """
    return np.frombuffer(raw, "<i2").reshape(-1, 3) * _SCALE


class Driver:
    """One ADXL345, read from its FIFO in stream mode."""

    name = "adxl345"
    frozen_rows = FROZEN_ROWS

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = SPI.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._chip = FifoChip(
            options,
            self.name,
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_POWER_CTL: _STANDBY},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s

    def start(self) -> str | None:
        bus = self._chip.open()
        rate_hz = self._options.rate_hz
        warning = identify(bus, IDENTITY)
        bus.write(_POWER_CTL, bytes((_STANDBY,)))
        bus.write(_FIFO_CTL, bytes((_BYPASS,)))  # empties it
        configure(
            bus,
            {
                **dict.fromkeys(_OFFSETS, 0),
                _INT_ENABLE: 0,
                _INT_MAP: 0,
                _BW_RATE: _RATE_CODE[rate_hz],
                _DATA_FORMAT: _FULL_RES | _RANGE_CODE[self._options.range_g],
                _FIFO_CTL: _STREAM | self._chip.watermark,
                _POWER_CTL: _MEASURE,
            },
        )
        if self.interrupt.wired:
            configure(bus, {_INT_ENABLE: _WATERMARK})
        # The largest count; at the upper rates its lowest bit is always 0.
        full_scale = self._options.range_g - (2 if rate_hz > 800 else 1) / 256
        self._chip.collect(full_scale, configured=(_POWER_CTL, _MEASURE))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: read_status(bus, _FIFO_STATUS)[0] & _ENTRIES,
            lambda rows: bus.read_many(_DATAX0, 6, rows),
            decode,
        )

    def stop(self) -> None:
        self._chip.close()


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at 100 Hz and ±16 g as "Self-Test" requires.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    bus.write(_POWER_CTL, bytes((_STANDBY,)))
    unpushed = _FULL_RES | _RANGE_CODE[16]
    configure(
        bus,
        {
            **dict.fromkeys(_OFFSETS, 0),
            _INT_ENABLE: 0,
            _FIFO_CTL: _BYPASS,
            _BW_RATE: _RATE_CODE[100],
            _DATA_FORMAT: unpushed,
            _POWER_CTL: _MEASURE,
        },
    )

    def rest() -> None:
        bus.write(_DATA_FORMAT, bytes((unpushed,)))
        bus.write(_POWER_CTL, bytes((_STANDBY,)))

    return selftest.run(
        lambda: decode(bus.read(_DATAX0, 6)),
        lambda: configure(bus, {_DATA_FORMAT: unpushed | _PUSH}),
        rest,
        pause=pause,
        limits=_PUSHED_G,
    )
