"""MPU-9250: an MPU-6500 beside a compass, which is left out.

Data sheet: InvenSense MPU-9250 Register Map and Descriptions Rev. 1.6, section
4.38 (WHO_AM_I).
"""

from __future__ import annotations

from typing import ClassVar

from sensorml.sim.chips import mpu6500


class Chip(mpu6500.Chip):
    """One MPU-9250."""

    IDENTITY: ClassVar = 0x71
