"""LIS2DW12 accelerometer: three axes, 14 bits, up to 1600 Hz, on I2C.

Data sheet: ST LIS2DW12 (DS12105), "Mechanical characteristics" (self-test, noise),
"Register mapping" and "Register description"; application note AN5038, "First-in
first-out (FIFO) buffer" and "Self-test". The registers and the reading of several rows
in one burst agree with ST's own open drivers.

One read takes any number of samples out of the FIFO, 54 bits each on the wire: the
address turns back from the last data register to the first.
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
IDENTITY = Identity(0x0F, {0x44: "LIS2DW12"}, addresses=(0x18, 0x19))

ROW_BYTES = 6
FIFO_ROWS = 32
USUAL_ROWS = 14
"""At most so many rows are in the FIFO at a read by default, which leaves half free."""

_CTRL1, _CTRL2, _CTRL3 = 0x20, 0x21, 0x22
_CTRL4_INT1, _CTRL5_INT2, _CTRL6, _CTRL7 = 0x23, 0x24, 0x25, 0x3F
_OUT_X_L = 0x28
_FIFO_CTRL, _FIFO_SAMPLES = 0x2E, 0x2F

_POWER_DOWN = 0x00
_HIGH_PERFORMANCE = 0x04  # MODE: 14 bits at every rate
_WHOLE_ROWS, _INCREMENT = 0x08, 0x04  # BDU, IF_ADD_INC
_WATERMARK = 0x02  # INT1_FTH
_INTERRUPTS = 0x20  # INTERRUPTS_ENABLE of CTRL7
_LOW_NOISE = 0x04
_BYPASS, _CONTINUOUS = 0x00, 0xC0
_ENTRIES = 0x3F
_PUSH = 0x40  # ST of CTRL3: positive
_RATE_CODE = {25: 3, 50: 4, 100: 5, 200: 6, 400: 7, 800: 8, 1600: 9}
_RANGE_CODE = {2: 0, 4: 1, 8: 2, 16: 3}
_STEP_G = {2: 0.244e-3, 4: 0.488e-3, 8: 0.976e-3, 16: 1.952e-3}
_NOISE_G = 90e-6  # times the root of the bandwidth in Hz
_PUSHED_G = ((0.070, 1.500),) * 3  # at ±2 g


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "lis2dw12"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x18
    """0x18 with the pin SA0 low, 0x19 with it high."""
    rate_hz: Literal[25, 50, 100, 200, 400, 800, 1600] = 800
    range_g: Literal[2, 4, 8, 16] = 8
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """At how many rows its FIFO is read; by default after 50 ms at the latest."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes, range_g: int = 2) -> Float32:
    """Turn rows of the FIFO, 6 bytes each, into g of shape (n, 3).

    The counts of 14 bits are left-justified in 16. A count is 0.244 mg at ±2 g and
    1.952 mg at ±16 g ("Mechanical characteristics"):

    >>> mg = decode(bytes([0x04, 0x00, 0xFC, 0xFF, 0x00, 0x40])).astype(float) * 1000
    >>> mg.round(3).tolist()
    [[0.244, -0.244, 999.424]]
    >>> mg = decode(bytes([4, 0, 0, 0, 0xFC, 0xFF]), 16).astype(float) * 1000
    >>> mg.round(3).tolist()
    [[1.952, 0.0, -1.952]]
    """
    scale = np.float32(_STEP_G[range_g] / 4)
    return np.frombuffer(raw, "<i2").reshape(-1, 3) * scale


def frozen_rows(options: Options) -> int | None:
    """Return how many identical rows show that it is frozen, or None if none do.

    Where a count is more than four times the noise, a healthy sensor at rest may
    repeat a row for any time:

    >>> frozen_rows(Options()), frozen_rows(Options(range_g=16, rate_hz=25))
    (256, None)
    """
    noise_g = _NOISE_G * math.sqrt(min(400, options.rate_hz / 2))
    return FROZEN_ROWS if _STEP_G[options.range_g] <= 4 * noise_g else None


class Driver:
    """One LIS2DW12, read from its FIFO in continuous mode."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._chip = FifoChip(
            options,
            "lis2dw12",
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_CTRL1: _POWER_DOWN},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self.frozen_rows = frozen_rows(options)
        self._decode = partial(decode, range_g=options.range_g)

    def start(self) -> str | None:
        bus = self._chip.open()
        options = self._options
        warning = identify(bus, IDENTITY)
        bus.write(_CTRL1, bytes((_POWER_DOWN,)))
        bus.write(_FIFO_CTRL, bytes((_BYPASS,)))  # empties it
        wired = self.interrupt.wired
        measuring = _RATE_CODE[options.rate_hz] << 4 | _HIGH_PERFORMANCE
        configure(
            bus,
            {
                _CTRL2: _WHOLE_ROWS | _INCREMENT,
                _CTRL3: 0,  # active high, no self-test
                _CTRL4_INT1: _WATERMARK if wired else 0,
                _CTRL5_INT2: 0,
                _CTRL6: _RANGE_CODE[options.range_g] << 4 | _LOW_NOISE,
                _CTRL7: _INTERRUPTS if wired else 0,
                _FIFO_CTRL: _CONTINUOUS | self._chip.watermark,
                _CTRL1: measuring,
            },
        )
        full_scale = _STEP_G[options.range_g] * 8190.5  # of 8191 counts
        self._chip.collect(full_scale, configured=(_CTRL1, measuring))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: read_status(bus, _FIFO_SAMPLES)[0] & _ENTRIES,
            lambda rows: bus.read(_OUT_X_L, rows * ROW_BYTES),
            self._decode,
        )

    def stop(self) -> None:
        self._chip.close()


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at ±2 g and 50 Hz as AN5038 describes.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    bus.write(_CTRL1, bytes((_POWER_DOWN,)))
    configure(
        bus,
        {
            _CTRL2: _WHOLE_ROWS | _INCREMENT,
            _CTRL3: 0,
            _CTRL6: _RANGE_CODE[2] << 4 | _LOW_NOISE,
            _FIFO_CTRL: _BYPASS,
            _CTRL1: _RATE_CODE[50] << 4 | _HIGH_PERFORMANCE,
        },
    )

    def rest() -> None:
        bus.write(_CTRL3, b"\0")
        bus.write(_CTRL1, bytes((_POWER_DOWN,)))

    return selftest.run(
        lambda: decode(bus.read(_OUT_X_L, ROW_BYTES)),
        lambda: configure(bus, {_CTRL3: _PUSH}),
        rest,
        pause=pause,
        limits=_PUSHED_G,
        sign="any",
    )
