"""MPU-6050 accelerometer (and gyroscope, unused): three axes, 16 bits, on I2C.

Data sheet: InvenSense MPU-6000/MPU-6050 Register Map and Descriptions Rev. 4.2,
sections 4.1 (self-test), 4.2, 4.3 (rates and filter), 4.5 (range), 4.6,
4.27, 4.30, 4.31 (FIFO), 4.28, 4.29 (power); Product Specification Rev. 3.4,
sections 6.6, 7.15 (clock).

Only the accelerations go into the FIFO, 6 bytes a sample, and one read takes out any
number of bytes.

Many boards sold with an MPU-6050 have another chip: an MPU-6500, which has half the
FIFO and a filter of its own for the accelerations, or a clone with the identity of an
ICM-20689 or an unknown one. They are read as an MPU-6500: its FIFO is the smallest.
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
from sensorml.drivers import mpu6500
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

if TYPE_CHECKING:
    from sensorml.acquisition.self_test import SelfTest

CHANNELS = ACCELERATION
IDENTITY = Identity(
    0x75,
    {0x68: "MPU6050"},
    addresses=(0x68, 0x69),
    siblings=("mpu6500", "mpu9250"),
    others={0x11: "ICM-20600", 0x12: "ICM-20602", 0x19: "MPU6886"},
)
_MPU6050 = 0x68

FIFO = FifoLayout(size=1024, level=0x72, data=0x74, status=0x3A)
RATE_TOLERANCE = (
    0.02  # of the oscillator of a gyroscope: ±1 %, and ±1 % more over temperature
)
USUAL_ROWS = 60
"""The most rows in the FIFO at a read, by default."""

_CLONE_ROWS = mpu6500.FIFO.rows * 3 // 4  # as `fitting`

_SELF_TEST_X, _SELF_TESTS = 0x0D, 4
_SMPLRT_DIV = 0x19
_CONFIG = 0x1A
_ACCEL_CONFIG = 0x1C
_FIFO_EN = 0x23
_INT_PIN_CFG, _INT_ENABLE = 0x37, 0x38
_ACCEL_XOUT_H = 0x3B
_USER_CTRL = 0x6A
_PWR_MGMT_1, _PWR_MGMT_2 = 0x6B, 0x6C

_AWAKE = 0x01  # on the oscillator of gyroscope X, a better clock than its own
_SLEEP = 0x40
_STANDBY_GYRO_Y_Z = 0x03
_ACCELERATION = 0x08
_DATA_READY = 0x01
_USE_FIFO, _FIFO_RESET = 0x40, 0x04
_RANGE_CODE = {2: 0, 4: 1, 8: 2, 16: 3}
_PUSH = 0xE0  # XA_ST, YA_ST and ZA_ST of ACCEL_CONFIG
_TOLERANCE = 0.14  # product specification, "Accelerometer Specifications"
# The widest filter of section 4.3 that ends below half the rate, as DLPF_CFG.
_FILTER = {1000: 1, 500: 1, 250: 2, 200: 2, 125: 3, 100: 3, 50: 4, 25: 5}


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "mpu6050"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x68
    """0x68 with the pin AD0 low, 0x69 with it high."""
    rate_hz: Literal[25, 50, 100, 125, 200, 250, 500, 1000] = 1000
    range_g: Literal[2, 4, 8, 16] = 16
    fifo_rows: Annotated[int, fitting(FIFO.rows)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


class Driver:
    """One MPU-6050, read from its FIFO."""

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
            "mpu6050",
            connect,
            clock,
            depth=FIFO.rows,
            usual=USUAL_ROWS,
            sleep={_PWR_MGMT_1: _SLEEP},
            tolerance=RATE_TOLERANCE,
            rises="after status",
        )
        self._own = InvenSenseFifo(self._chip, FIFO, _restart_fifo, options.range_g)
        self._clones = InvenSenseFifo(
            self._chip, mpu6500.FIFO, mpu6500.restart_fifo, options.range_g
        )
        self._fifo = self._own
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s

    def start(self) -> str | None:
        bus = self._chip.open()
        bus.write(_PWR_MGMT_1, bytes((_AWAKE,)))
        found = recognise(bus, IDENTITY)
        configure(
            bus,
            {
                _PWR_MGMT_1: _AWAKE,
                _PWR_MGMT_2: _STANDBY_GYRO_Y_Z,
                _INT_PIN_CFG: LATCHED if self.interrupt.wired else 0,
                _INT_ENABLE: _DATA_READY if self.interrupt.wired else 0,
                _SMPLRT_DIV: 1000 // self._options.rate_hz - 1,
                _CONFIG: _FILTER[self._options.rate_hz],
                _ACCEL_CONFIG: _RANGE_CODE[self._options.range_g] << 3,
                _FIFO_EN: _ACCELERATION,
            },
        )
        self._fifo = self._own
        if found.value != _MPU6050:
            self._fifo = self._clones
            self._set_up_clone(bus)
        self._fifo.start(configured=(_FIFO_EN, _ACCELERATION))
        return found.warning

    def _set_up_clone(self, bus: Registers) -> None:
        """Filter the accelerations where the chip is an MPU-6500.

        The register is not read back, because other clones may lack it.

        Raises:
            SensorError: its FIFO is too small.
        """
        rows = self._options.fifo_rows or 0
        if rows > _CLONE_ROWS:
            raise SensorError(
                f"{bus}: fifo_rows = {rows} is more than the FIFO of an MPU6500 or a "
                f"clone holds: give at most {_CLONE_ROWS}"
            )
        filtered = bytes((mpu6500.FILTER[self._options.rate_hz],))
        bus.write(mpu6500.ACCEL_CONFIG_2, filtered)

    def read(self) -> Block | None:
        return self._fifo.read()

    def stop(self) -> None:
        self._chip.close()


def _restart_fifo(bus: Registers) -> None:
    """Empty the FIFO, which works only while it is off, and switch it on."""
    bus.write(_USER_CTRL, bytes((_FIFO_RESET,)))
    configure(bus, {_USER_CTRL: _USE_FIFO})


def trim_codes(raw: bytes) -> tuple[int, int, int]:
    """Return the trim codes of the axes, 5 bits each (section 4.1).

    The upper three bits are in SELF_TEST_X, _Y and _Z, the lower two together in
    SELF_TEST_A:

    >>> trim_codes(bytes((0b101_00000, 0b000_11111, 0b111_00000, 0b00_01_10_11)))
    (21, 2, 31)
    """
    x, y, z, low = raw
    return (
        x >> 5 << 2 | low >> 4 & 3,
        y >> 5 << 2 | low >> 2 & 3,
        z >> 5 << 2 | low & 3,
    )


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass, at ±8 g, and compare with the factory's own test.

    A chip of the MPU-6500's kind is tested as that.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    """
    from sensorml.acquisition import self_test as selftest

    if bus.read(IDENTITY.register, 1)[0] in mpu6500.IDENTITY.chips:
        return mpu6500.self_test(bus, pause)
    unpushed = _RANGE_CODE[8] << 3
    configure(
        bus,
        {
            _PWR_MGMT_1: _AWAKE,
            _PWR_MGMT_2: _STANDBY_GYRO_Y_Z,
            _INT_ENABLE: 0,
            _SMPLRT_DIV: 1000 // 200 - 1,
            _CONFIG: _FILTER[200],
            _ACCEL_CONFIG: unpushed,
            _FIFO_EN: 0,
        },
    )

    def rest() -> None:
        bus.write(_ACCEL_CONFIG, bytes((unpushed,)))
        bus.write(_PWR_MGMT_1, bytes((_SLEEP,)))

    codes = trim_codes(bus.read(_SELF_TEST_X, _SELF_TESTS))
    if 0 in codes:
        rest()
        why = (
            "it has no factory trim to compare with, as many clones: replace it, or "
            "use it untested"
        )
        return selftest.SelfTest(selftest.Verdict.UNDECIDED, why=why)
    trims = [0.34 * (0.92 / 0.34) ** ((code - 1) / 30) for code in codes]
    return selftest.run(
        lambda: decode(bus.read(_ACCEL_XOUT_H, ROW_BYTES), 8),
        lambda: configure(bus, {_ACCEL_CONFIG: unpushed | _PUSH}),
        rest,
        pause=pause,
        limits=[(trim * (1 - _TOLERANCE), trim * (1 + _TOLERANCE)) for trim in trims],
    )
