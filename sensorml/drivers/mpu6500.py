"""MPU-6500 accelerometer (and gyroscope, unused): three axes, up to 4 kHz, on I2C.

Data sheet: InvenSense MPU-6500 Register Map and Descriptions Rev. 2.1, registers
13-15 (self-test), 25, 26 (rates), 28, 29 (range and filter), 35, 106, 114-116
(FIFO), 107, 108 (power); Product Specification Rev. 1.0, section 3.4 (clock).

It is an MPU-6050 with half the FIFO and a filter of its own for the
accelerations, which can be switched off: then there are 4000 of them a second. The
data sheet does not say that these reach the FIFO when the gyroscopes are off;
Klipper reads such chips that way (klippy/extras/mpu9250.py). 4 kHz are 227 kbit/s
on the bus: set it to 400 kHz. At 100 kHz it carries 1 kHz.

The siblings have the same registers and at least this FIFO: the identities and sizes
are those of the kernel (drivers/iio/imu/inv_mpu6050, chips with `reg_set_6500`). The
FIFO of an ICM-20600 or ICM-20602 has other rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
from sensorml.acquisition.registers import configure, recognise
from sensorml.buses import i2c
from sensorml.buses.i2c import InterruptOptions
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

if TYPE_CHECKING:
    from sensorml.acquisition.self_test import SelfTest

CHANNELS = ACCELERATION
IDENTITY = Identity(
    0x75,
    {
        0x70: "MPU6500",
        0x74: "MPU6515",
        0x78: "MPU6880",
        0x98: "ICM-20689",
        0xA6: "ICM-20609",
        0xA9: "IAM-20680",
        0xAE: "ICM-20608D",
        0xAF: "ICM-20608",
    },
    addresses=(0x68, 0x69),
    siblings=("mpu6050", "mpu9250"),
    others={0x11: "ICM-20600", 0x12: "ICM-20602", 0x19: "MPU6886"},
)
_MPU6050, _MPU6050_MOST_HZ = 0x68, 1000

FIFO = FifoLayout(size=512, level=0x72, data=0x74, status=0x3A)
RATE_TOLERANCE = 0.15  # of its own oscillator: ±5 %, and ±10 % more over temperature
USUAL_ROWS = 30
"""The most rows in the FIFO at a read, by default."""

_SELF_TEST_X_ACCEL = 0x0D
_SMPLRT_DIV = 0x19
_CONFIG = 0x1A
_ACCEL_CONFIG, ACCEL_CONFIG_2 = 0x1C, 0x1D
_FIFO_EN = 0x23
_INT_PIN_CFG, _INT_ENABLE = 0x37, 0x38
_ACCEL_XOUT_H = 0x3B
_USER_CTRL = 0x6A
_PWR_MGMT_1, _PWR_MGMT_2 = 0x6B, 0x6C

_AWAKE, _SLEEP = 0x01, 0x40
_GYROS_OFF = 0x07
_DIVIDER_WORKS = 0x01  # DLPF_CFG between 1 and 6; and the FIFO drops its oldest
_ACCELERATION = 0x08
_DATA_READY = 0x01
_USE_FIFO, _FIFO_RESET = 0x40, 0x04
_RANGE_CODE = {2: 0, 4: 1, 8: 2, 16: 3}
_PUSH = 0xE0  # the three ACCEL_ST_EN of ACCEL_CONFIG
# The widest filter of register 29 that ends below half the rate, as
# A_DLPF_CFG; 0x08 is ACCEL_FCHOICE_B, no filter.
FILTER = {4000: 8, 1000: 7, 500: 1, 250: 2, 200: 2, 125: 3, 100: 3, 50: 4, 25: 5}


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "mpu6500"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x68
    """0x68 with the pin AD0 low, 0x69 with it high."""
    rate_hz: Literal[25, 50, 100, 125, 200, 250, 500, 1000, 4000] = 1000
    range_g: Literal[2, 4, 8, 16] = 16
    fifo_rows: Annotated[int, fitting(FIFO.rows)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


class Driver:
    """One MPU-6500, read from its FIFO."""

    name = "mpu6500"
    identity = IDENTITY
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
            self.name,
            connect,
            clock,
            depth=FIFO.rows,
            usual=USUAL_ROWS,
            sleep={_PWR_MGMT_1: _SLEEP},
            tolerance=RATE_TOLERANCE,
            rises="after status",
        )
        self._fifo = InvenSenseFifo(self._chip, FIFO, restart_fifo, options.range_g)
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s

    def start(self) -> str | None:
        bus = self._chip.open()
        rate_hz = self._options.rate_hz
        bus.write(_PWR_MGMT_1, bytes((_AWAKE,)))
        found = recognise(bus, self.identity)
        if found.value == _MPU6050 and rate_hz > _MPU6050_MOST_HZ:
            raise SensorError(
                f"{found.warning}; that has no {rate_hz} Hz: set rate_hz to "
                f"{_MPU6050_MOST_HZ} at most"
            )
        code = FILTER[rate_hz]
        configure(
            bus,
            {
                _PWR_MGMT_1: _AWAKE,
                _PWR_MGMT_2: _GYROS_OFF,
                _INT_PIN_CFG: LATCHED if self.interrupt.wired else 0,
                _INT_ENABLE: _DATA_READY if self.interrupt.wired else 0,
                _ACCEL_CONFIG: _RANGE_CODE[self._options.range_g] << 3,
                **({} if found.value == _MPU6050 else {ACCEL_CONFIG_2: code}),
                # It also filters the accelerations of an MPU-6050.
                _CONFIG: code if 1 <= code <= 6 else _DIVIDER_WORKS,
                _SMPLRT_DIV: max(1000 // rate_hz, 1) - 1,
            },
        )
        self._fifo.start(configured=(_FIFO_EN, _ACCELERATION))
        return found.warning

    def read(self) -> Block | None:
        return self._fifo.read()

    def stop(self) -> None:
        self._chip.close()


def restart_fifo(bus: Registers) -> None:
    """Empty the FIFO while nothing writes to it: here USER_CTRL only stops reads."""
    bus.write(_FIFO_EN, bytes((0,)))
    bus.write(_USER_CTRL, bytes((_FIFO_RESET,)))
    configure(bus, {_USER_CTRL: _USE_FIFO, _FIFO_EN: _ACCELERATION})


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at ±2 g, and compare with the factory's own test.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    configure(
        bus,
        {
            _PWR_MGMT_1: _AWAKE,
            _PWR_MGMT_2: _GYROS_OFF,
            _INT_ENABLE: 0,
            _ACCEL_CONFIG: 0,
            ACCEL_CONFIG_2: FILTER[200],
            _CONFIG: _DIVIDER_WORKS,
            _SMPLRT_DIV: 0,
            _FIFO_EN: 0,
        },
    )

    def rest() -> None:
        bus.write(_ACCEL_CONFIG, b"\0")
        bus.write(_PWR_MGMT_1, bytes((_SLEEP,)))

    return selftest.run(
        lambda: decode(bus.read(_ACCEL_XOUT_H, ROW_BYTES)),
        lambda: configure(bus, {_ACCEL_CONFIG: _PUSH}),
        rest,
        pause=pause,
        limits=selftest.trimmed_g(bus.read(_SELF_TEST_X_ACCEL, 3)),
        sign="any",
    )
