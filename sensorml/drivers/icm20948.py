"""ICM-20948 accelerometer (gyroscope and compass, unused): up to 4.5 kHz, on I2C.

Data sheet: InvenSense DS-000189 Rev. 1.3, sections 8 (bank 0: power, FIFO), 9
(bank 1: self-test), 10 (bank 2: ACCEL_SMPLRT_DIV, ACCEL_CONFIG), 3.3, 4.14 (clock).

Registers lie in four banks; bank 0 is left selected. Only the accelerations go
into the FIFO, 6 bytes a sample. 4.5 kHz are 255 kbit/s on the bus: set it to 400
kHz, and not on a Pi 3, where that is 250 kHz. At 100 kHz it carries 1125 Hz. The
chip's I/O is for 1.8 V: a Pi needs a board with level shifters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS
from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.invensense import (
    LATCHED,
    ROW_BYTES,
    FifoLayout,
    InvenSenseFifo,
    decode,
)
from sensorml.acquisition.registers import configure, identify
from sensorml.buses import i2c
from sensorml.buses.i2c import InterruptOptions
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

if TYPE_CHECKING:
    from sensorml.acquisition.self_test import SelfTest

CHANNELS = ACCELERATION
IDENTITY = Identity(0x00, {0xEA: "ICM-20948"}, addresses=(0x68, 0x69))  # in bank 0

FIFO = FifoLayout(size=512, level=0x70, data=0x72, status=0x1A)
RATE_TOLERANCE = 0.15  # of its own oscillator: ±5 %, and ±10 % more over temperature
USUAL_ROWS = 30
"""The most rows in the FIFO at a read, by default."""

_BANK_SEL = 0x7F
_BANK_0, _BANK_1, _BANK_2 = 0x00, 0x10, 0x20

# Bank 0
_USER_CTRL = 0x03
_LP_CONFIG = 0x05
_PWR_MGMT_1, _PWR_MGMT_2 = 0x06, 0x07
_ACCEL_XOUT_H = 0x2D
_INT_PIN_CFG, _INT_ENABLE_1 = 0x0F, 0x11
_FIFO_EN_1, _FIFO_EN_2 = 0x66, 0x67
_FIFO_RST = 0x68
_FIFO_MODE = 0x69
# Bank 1
_SELF_TEST_X_ACCEL = 0x0E
# Bank 2
_ACCEL_SMPLRT_DIV_1, _ACCEL_SMPLRT_DIV_2 = 0x10, 0x11
_ACCEL_CONFIG, _ACCEL_CONFIG_2 = 0x14, 0x15

_AWAKE, _SLEEP = 0x01, 0x41
_GYROS_OFF = 0x07
_NO_DUTY_CYCLE = 0x00
_STREAM = 0x00
_ACCELERATION = 0x10
_DATA_READY = 0x01
_USE_FIFO = 0x40
_RESET_ALL = 0x1F
_RANGE_CODE = {2: 0, 4: 1, 8: 2, 16: 3}
_PUSH = 0x1C  # the three ST_EN_REG of ACCEL_CONFIG_2
# The widest filter of section 10.15 that ends below half the rate: ACCEL_DLPFCFG
# from bit 3 on, and FCHOICE as bit 0, which switches the filter on.
_FILTER = {
    4500: 0x00,
    1125: 0x39,
    375: 0x11,
    225: 0x11,
    125: 0x19,
    75: 0x21,
    45: 0x29,
    25: 0x29,
}


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "icm20948"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x68
    """0x68 with the pin AD0 low, 0x69 with it high."""
    rate_hz: Literal[25, 45, 75, 125, 225, 375, 1125, 4500] = 1125
    range_g: Literal[2, 4, 8, 16] = 16
    fifo_rows: Annotated[int, fitting(FIFO.rows)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


class Driver:
    """One ICM-20948, read from its FIFO."""

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
            "icm20948",
            connect,
            clock,
            depth=FIFO.rows,
            usual=USUAL_ROWS,
            sleep={_BANK_SEL: _BANK_0, _PWR_MGMT_1: _SLEEP},
            tolerance=RATE_TOLERANCE,
            rises="after status",
        )
        self._fifo = InvenSenseFifo(self._chip, FIFO, _restart_fifo, options.range_g)
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s

    def start(self) -> str | None:
        bus = self._chip.open()
        rate_hz = self._options.rate_hz
        bus.write(_BANK_SEL, bytes((_BANK_0,)))
        bus.write(_PWR_MGMT_1, bytes((_AWAKE,)))
        warning = identify(bus, IDENTITY)
        configure(
            bus,
            {
                _PWR_MGMT_1: _AWAKE,
                _PWR_MGMT_2: _GYROS_OFF,
                _LP_CONFIG: _NO_DUTY_CYCLE,
                _INT_PIN_CFG: LATCHED if self.interrupt.wired else 0,
                _INT_ENABLE_1: _DATA_READY if self.interrupt.wired else 0,
                _FIFO_EN_1: 0,
                _FIFO_MODE: _STREAM,
            },
        )
        range_code = _RANGE_CODE[self._options.range_g]
        bus.write(_BANK_SEL, bytes((_BANK_2,)))
        configure(
            bus,
            {
                _ACCEL_CONFIG: _FILTER[rate_hz] | range_code << 1,
                _ACCEL_CONFIG_2: 0,  # no self-test, if one was interrupted
                _ACCEL_SMPLRT_DIV_1: 0,
                _ACCEL_SMPLRT_DIV_2: max(1125 // rate_hz, 1) - 1,
            },
        )
        bus.write(_BANK_SEL, bytes((_BANK_0,)))
        self._fifo.start(configured=(_FIFO_EN_2, _ACCELERATION))
        return warning

    def read(self) -> Block | None:
        return self._fifo.read()

    def stop(self) -> None:
        self._chip.close()


def _restart_fifo(bus: Registers) -> None:
    """Empty the FIFO while nothing writes to it: USER_CTRL only stops reads."""
    bus.write(_FIFO_EN_2, bytes((0,)))
    bus.write(_FIFO_RST, bytes((_RESET_ALL,)))  # it holds the reset until it is 0
    configure(bus, {_FIFO_RST: 0, _USER_CTRL: _USE_FIFO, _FIFO_EN_2: _ACCELERATION})


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at ±2 g, and compare with the factory's own test.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    def in_bank_2(settings: Mapping[int, int]) -> None:
        bus.write(_BANK_SEL, bytes((_BANK_2,)))
        configure(bus, settings)
        bus.write(_BANK_SEL, bytes((_BANK_0,)))

    def rest() -> None:
        in_bank_2({_ACCEL_CONFIG_2: 0})
        bus.write(_PWR_MGMT_1, bytes((_SLEEP,)))

    bus.write(_BANK_SEL, bytes((_BANK_0,)))
    configure(
        bus,
        {_PWR_MGMT_1: _AWAKE, _PWR_MGMT_2: _GYROS_OFF, _LP_CONFIG: _NO_DUTY_CYCLE},
    )
    bus.write(_BANK_SEL, bytes((_BANK_1,)))
    codes = bus.read(_SELF_TEST_X_ACCEL, 3)
    in_bank_2(
        {
            _ACCEL_CONFIG: _FILTER[1125],  # ±2 g
            _ACCEL_CONFIG_2: 0,
            _ACCEL_SMPLRT_DIV_1: 0,
            _ACCEL_SMPLRT_DIV_2: 1125 // 225 - 1,
        }
    )
    return selftest.run(
        lambda: decode(bus.read(_ACCEL_XOUT_H, ROW_BYTES)),
        lambda: in_bank_2({_ACCEL_CONFIG_2: _PUSH}),
        rest,
        pause=pause,
        limits=selftest.trimmed_g(codes),
        sign="any",
    )
