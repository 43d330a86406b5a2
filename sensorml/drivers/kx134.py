"""KX134-1211 accelerometer: three axes, 16 bits, up to ±64 g and 6400 Hz, on I2C.

Data sheet: Kionix KX134-1211, "Mechanical" (scale), and its Technical Reference
Manual, "Embedded Registers" (CNTL1, ODCNTL, BUF_CNTL2, BUF_STATUS, BUF_CLEAR,
BUF_READ, SELF_TEST) and "Sample Buffer Feature Description"; ROHM's own register
definitions, kx134_1211_registers.h; the kernel's drivers/iio/accel/kionix-kx022a.c
(the level in bytes, 86 rows).

One read takes any number of samples out of the buffer, 54 bits each on the
wire: a bus at 100 kHz carries 1600 Hz and at 400 kHz 6400 Hz, and little else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS
from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.registers import configure, identify
from sensorml.buses import i2c
from sensorml.buses.fault_codes import read_status
from sensorml.buses.i2c import InterruptOptions
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel, Float32

if TYPE_CHECKING:
    from sensorml.acquisition.self_test import SelfTest

CHANNELS = ACCELERATION
IDENTITY = Identity(0x13, {0x46: "KX134"}, addresses=(0x1E, 0x1F))

ROW_BYTES = 6
FULL_ROWS = 85
"""Counted as full: 86 rows fit by the manual, 85 into its 512 bytes."""
USUAL_ROWS = 40
"""The most rows in the buffer at a read, by default: half stays free."""

_XOUT_L = 0x08
_CNTL1 = 0x1B
_ODCNTL = 0x21
_INC1, _INC4 = 0x22, 0x25
_SELF_TEST = 0x5D
_BUF_CNTL1, _BUF_CNTL2 = 0x5E, 0x5F
_BUF_STATUS = 0x60
_BUF_CLEAR = 0x62
_BUF_READ = 0x63

_STANDBY, _MEASURE, _HIGH_PERFORMANCE = 0x00, 0x80, 0x40
_FILTER_AT_HALF = 0x40  # of the rate; otherwise it ends at a ninth
_USE_BUFFER, _16_BITS, _STREAM = 0x80, 0x40, 0x01
_PIN_HIGH = 0x30  # INT1 is used, active high, for as long as there is a reason
_WATERMARK = 0x20
_LEVEL = 0x3FF  # in bytes
_RATE_CODE = {25 << i: 0x05 + i for i in range(9)}
_RANGE_CODE = {8: 0, 16: 1, 32: 2, 64: 3}
_PUSH = 0xCA
# A half to one and a half of the nominal 0.5 g, as for InvenSense's chips:
# no published limits were found.
_PUSHED_G = ((0.25, 0.75),) * 3


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "kx134"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x1F
    """0x1E with the pin ADDR low, 0x1F with it high."""
    rate_hz: Literal[25, 50, 100, 200, 400, 800, 1600, 3200, 6400] = 1600
    range_g: Literal[8, 16, 32, 64] = 16
    fifo_rows: Annotated[int, fitting(FULL_ROWS)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes, range_g: int = 8) -> Float32:
    """Turn rows of the buffer, 6 bytes each, into g of shape (n, 3).

    4096 counts are 1 g at ±8 g, 512 at ±64 g ("Mechanical"):

    >>> decode(bytes([0x00, 0x10, 0x00, 0xF0, 0x01, 0x00])).tolist()
    [[1.0, -1.0, 0.000244140625]]
    >>> decode(bytes([0x00, 0x02, 0x00, 0x80, 0x00, 0x00]), 64).tolist()
    [[1.0, -64.0, 0.0]]
    """
    return np.frombuffer(raw, "<i2").reshape(-1, 3) * np.float32(range_g / 32768)


class Driver:
    """One KX134, read from its sample buffer in stream mode."""

    frozen_rows = FROZEN_ROWS

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._chip = FifoChip(
            options,
            "kx134",
            connect,
            clock,
            depth=FULL_ROWS,
            usual=USUAL_ROWS,
            sleep={_CNTL1: _STANDBY},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self._decode = partial(decode, range_g=options.range_g)

    def start(self) -> str | None:
        bus = self._chip.open()
        rate_hz, range_g = self._options.rate_hz, self._options.range_g
        warning = identify(bus, IDENTITY)
        bus.write(_CNTL1, bytes((_STANDBY,)))  # only then the others can be set
        bus.write(_SELF_TEST, b"\0")  # if one was interrupted; it cannot be read back
        bus.write(_BUF_CLEAR, b"\0")
        measuring = _MEASURE | _HIGH_PERFORMANCE | _RANGE_CODE[range_g] << 3
        configure(
            bus,
            {
                _ODCNTL: _FILTER_AT_HALF | _RATE_CODE[rate_hz],
                _INC1: _PIN_HIGH if self.interrupt.wired else 0,
                _INC4: _WATERMARK if self.interrupt.wired else 0,
                _BUF_CNTL1: self._chip.watermark,
                _BUF_CNTL2: _USE_BUFFER | _16_BITS | _STREAM,
                _CNTL1: measuring,
            },
        )
        full_scale = range_g * 32767 / 32768
        self._chip.collect(full_scale, configured=(_CNTL1, measuring))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus

        def count() -> int:
            status = int.from_bytes(read_status(bus, _BUF_STATUS, 2), "little")
            return (status & _LEVEL) // ROW_BYTES

        return self._chip.read(
            count, lambda rows: bus.read(_BUF_READ, rows * ROW_BYTES), self._decode
        )

    def stop(self) -> None:
        self._chip.close()


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at ±8 g, in the direction that is set (STPOL).

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    def measure(push: int) -> None:
        bus.write(_CNTL1, bytes((_STANDBY,)))  # only then the others can be set
        bus.write(_SELF_TEST, bytes((push,)))
        configure(
            bus,
            {
                _ODCNTL: _FILTER_AT_HALF | _RATE_CODE[200],
                _BUF_CNTL2: 0,
                _CNTL1: _MEASURE | _HIGH_PERFORMANCE | _RANGE_CODE[8] << 3,
            },
        )

    def rest() -> None:
        bus.write(_CNTL1, bytes((_STANDBY,)))
        bus.write(_SELF_TEST, b"\0")

    measure(push=0)
    return selftest.run(
        lambda: decode(bus.read(_XOUT_L, ROW_BYTES)),
        lambda: measure(_PUSH),
        rest,
        pause=pause,
        limits=_PUSHED_G,
        sign="any",
    )
