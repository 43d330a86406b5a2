"""LIS3DH accelerometer: three axes, 12 or 10 bits, up to 1344 Hz, on I2C.

Data sheet: ST LIS3DH (DocID17530), "Mechanical characteristics" (Table 4),
"High-resolution, normal mode, low-power mode", "I2C operation" and "Register
description"; application note AN3308, "First-in first-out (FIFO) buffer";
ST's example lis3dh_self_test.c.

One read takes any number of samples out of the FIFO, 54 bits each on the wire:
the address turns back from the last data register to the first. A bus at 100 kHz
carries every rate.

A LIS2DH12, LIS2DH, IIS2DH or the accelerometer of an LSM303AGR has the same identity,
registers and scale and needs no other driver. A LIS2DW12 has an identity of its own.
"""

from __future__ import annotations

import math
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
IDENTITY = Identity(
    0x0F,
    {0x33: "LIS3DH or LIS2DH12"},
    addresses=(0x18, 0x19),
    others={0x32: "LIS331DLH", 0x3F: "LIS3DSH", 0x43: "LIS2DS12"},
)

ROW_BYTES = 6
FIFO_ROWS = 32
USUAL_ROWS = 14
"""The most rows in the FIFO at a read, by default: half stays free."""

_CTRL_REG1 = 0x20
_CTRL_REG2, _CTRL_REG3 = 0x21, 0x22
_CTRL_REG4 = 0x23
_CTRL_REG5, _CTRL_REG6 = 0x24, 0x25
_OUT_X_L = 0x28
_FIFO_CTRL = 0x2E
_FIFO_SRC = 0x2F
_NEXT = 0x80  # of the register's address: each byte comes from the next one

_POWER_DOWN, _ALL_AXES = 0x00, 0x07
_WHOLE_ROWS = 0x80  # BDU: never the halves of two samples
_BYPASS, _STREAM = 0x00, 0x80
_USE_FIFO = 0x40
_WATERMARK = 0x04  # I1_WTM; it is over the watermark that the pin INT1 is high
_OVERRUN, _ENTRIES = 0x40, 0x1F
_RATE_CODE = {25: 3, 50: 4, 100: 5, 200: 6, 400: 7, 1344: 9}
_RANGE_CODE = {2: 0, 4: 1, 8: 2, 16: 3}
_MODE = {"high_resolution": 0x08, "normal": 0x00}
_PUSH = 0x02  # ST of CTRL_REG4: self-test 0
_STEP_G = {2: 0.001, 4: 0.002, 8: 0.004, 16: 0.012}  # Table 4
_NOISE_G = 220e-6  # Table 4, times the root of the bandwidth in Hz
# Table 4: 17 to 360 counts of 10 bits at ±2 g, 4 mg each.
_PUSHED_G = ((17 * 0.004, 360 * 0.004),) * 3


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "lis3dh"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x18
    """0x18 with the pin SDO/SA0 low, 0x19 with it high."""
    rate_hz: Literal[25, 50, 100, 200, 400, 1344] = 1344
    range_g: Literal[2, 4, 8, 16] = 8
    mode: Literal["high_resolution", "normal"] = "high_resolution"
    """12 bits, and nothing above a ninth of the rate; or 10 bits, up to half."""
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes, range_g: int = 2) -> Float32:
    """Turn rows of the FIFO, 6 bytes each, into g of shape (n, 3).

    The counts are left-justified in 16 bits, whatever the mode. 350 mg read
    15E0 at ±2 g (AN3308), and a count of 12 bits is 12 mg at ±16 g (Table 4):

    >>> decode(bytes([0xE0, 0x15, 0x20, 0xEA, 0x10, 0x00])).astype(float).round(6)
    array([[ 0.35 , -0.35 ,  0.001]])
    >>> decode(bytes([0x10, 0x00, 0x00, 0x00, 0xF0, 0xFF]), 16).astype(float).round(6)
    array([[ 0.012,  0.   , -0.012]])
    """
    scale = np.float32(_STEP_G[range_g] / 16)
    return np.frombuffer(raw, "<i2").reshape(-1, 3) * scale


def rows_in(source: int) -> int:
    """Return the number of rows in the FIFO, from FIFO_SRC_REG.

    Five bits cannot hold 32: a full FIFO has the count 31 and the overrun bit.

    >>> rows_in(0x8E), rows_in(0xDF)
    (14, 32)
    """
    return FIFO_ROWS if source & _OVERRUN else source & _ENTRIES


def frozen_rows(options: Options) -> int | None:
    """Return the number of identical rows of a frozen chip; None: it shows in none.

    Where a count is more than four times the noise, a healthy sensor at rest may
    repeat a row for any time:

    >>> frozen_rows(Options()), frozen_rows(Options(range_g=16))
    (256, None)
    >>> frozen_rows(Options(rate_hz=25)), frozen_rows(Options(rate_hz=25, range_g=2))
    (None, 256)
    """
    fine = options.mode == "high_resolution"
    step_g = _STEP_G[options.range_g] * (1 if fine else 4)
    noise_g = _NOISE_G * math.sqrt(options.rate_hz / (9 if fine else 2))
    return FROZEN_ROWS if step_g <= 4 * noise_g else None


class Driver:
    """One LIS3DH, read from its FIFO in stream mode."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._chip = FifoChip(
            options,
            "lis3dh",
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_CTRL_REG1: _POWER_DOWN},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self.frozen_rows = frozen_rows(options)
        self._decode = partial(decode, range_g=options.range_g)

    def start(self) -> str | None:
        bus = self._chip.open()
        options = self._options
        warning = identify(bus, IDENTITY)
        bus.write(_CTRL_REG1, bytes((_POWER_DOWN,)))
        bus.write(_FIFO_CTRL, bytes((_BYPASS,)))  # empties it
        measuring = _RATE_CODE[options.rate_hz] << 4 | _ALL_AXES
        configure(
            bus,
            {
                _CTRL_REG2: 0,
                _CTRL_REG3: _WATERMARK if self.interrupt.wired else 0,
                _CTRL_REG4: _WHOLE_ROWS
                | _RANGE_CODE[options.range_g] << 4
                | _MODE[options.mode],
                _CTRL_REG5: _USE_FIFO,
                _CTRL_REG6: 0,  # active high
                _FIFO_CTRL: _STREAM | (self._chip.watermark - 1),
                _CTRL_REG1: measuring,
            },
        )
        # Beyond its range the counts continue; how far is not documented.
        full_scale = options.range_g - _STEP_G[options.range_g] / 2
        self._chip.collect(full_scale, configured=(_CTRL_REG1, measuring))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: rows_in(read_status(bus, _FIFO_SRC)[0]),
            lambda rows: bus.read(_OUT_X_L | _NEXT, rows * ROW_BYTES),
            self._decode,
        )

    def stop(self) -> None:
        self._chip.close()


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at ±2 g in normal mode as ST's example does.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    bus.write(_CTRL_REG1, bytes((_POWER_DOWN,)))
    unpushed = _WHOLE_ROWS | _RANGE_CODE[2] << 4 | _MODE["normal"]
    configure(
        bus,
        {
            _CTRL_REG2: 0,
            _CTRL_REG3: 0,
            _CTRL_REG4: unpushed,
            _CTRL_REG5: 0,
            _FIFO_CTRL: _BYPASS,
            _CTRL_REG1: _RATE_CODE[50] << 4 | _ALL_AXES,
        },
    )

    def rest() -> None:
        bus.write(_CTRL_REG4, bytes((unpushed,)))
        bus.write(_CTRL_REG1, bytes((_POWER_DOWN,)))

    return selftest.run(
        lambda: decode(bus.read(_OUT_X_L | _NEXT, ROW_BYTES)),
        lambda: configure(bus, {_CTRL_REG4: unpushed | _PUSH}),
        rest,
        pause=pause,
        limits=_PUSHED_G,
        sign="any",
    )
