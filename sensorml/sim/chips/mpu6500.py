"""MPU-6500: an MPU-6050 with half the FIFO, and 4 kHz without filter.

Data sheet: InvenSense MPU-6500 Register Map and Descriptions Rev. 2.1, registers
13-15 (self-test, 0x0D), 29 (ACCEL_CONFIG 2, 0x1D), 65 (temperature), 107, 108
(power), 117 (WHO_AM_I). It is awake after power-on.

While a gyroscope is on, the FIFO goes at the gyroscope's pace, whatever the
accelerometer's filter. Left out: what mpu6050.py leaves out, the FIFO that stops
when it is full (FIFO_MODE), gyroscopes without filter (FCHOICE_B).
"""

from __future__ import annotations

from typing import ClassVar

from sensorml.sim.chips import mpu6050
from sensorml.sim.converter import Push

_SELF_TEST_X_ACCEL = 0x0D
_ACCEL_CONFIG_2 = 0x1D
_PWR_MGMT_1, _PWR_MGMT_2 = 0x6B, 0x6C
_FCHOICE_B = 0x08
_GYROS_OFF = 0x07


class Chip(mpu6050.Chip):
    """One MPU-6500."""

    # What the factory has measured: codes 113, 115 and 121, that is 0.49, 0.50 and
    # 0.53 g.
    POWER_ON: ClassVar = {
        _SELF_TEST_X_ACCEL: 113,
        _SELF_TEST_X_ACCEL + 1: 115,
        _SELF_TEST_X_ACCEL + 2: 121,
        _PWR_MGMT_1: 0x01,
    }
    PUSH_G: ClassVar[Push] = (0.47, 0.52, 0.5)
    IDENTITY: ClassVar = 0x70
    FIFO_BYTES: ClassVar = 512
    TEMPERATURE: ClassVar = round((22.0 - 21.0) * 333.87)

    def _rate_hz(self) -> float:
        gyros_off = self._registers[_PWR_MGMT_2] & _GYROS_OFF == _GYROS_OFF
        if gyros_off and self._registers[_ACCEL_CONFIG_2] & _FCHOICE_B:
            return 4000.0
        return super()._rate_hz()
