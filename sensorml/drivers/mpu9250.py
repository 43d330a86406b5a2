"""MPU-9250 accelerometer (gyroscope and compass, unused): an MPU-6500 inside.

Data sheet: InvenSense MPU-9250 Register Map and Descriptions Rev. 1.6, sections
4.4, 4.5 (rates), 4.7, 4.8 (range and filter), 4.38 (identity). The registers are
those of the MPU-6500; the compass is a chip of its own in the same package. Boards
sold with an MPU-9250 often have an MPU-6500, without the compass, and work as well.
"""

from __future__ import annotations

from sensorml.drivers import mpu6500
from sensorml.drivers.mpu6500 import channels, self_test
from sensorml.interfaces import Identity

__all__ = ["IDENTITY", "Driver", "Options", "channels", "self_test"]

IDENTITY = Identity(
    0x75,
    {0x71: "MPU9250", 0x73: "MPU9255"},
    addresses=(0x68, 0x69),
    siblings=("mpu6500", "mpu6050"),
    others={0x11: "ICM-20600", 0x12: "ICM-20602", 0x19: "MPU6886"},
)


class Options(mpu6500.Options, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "mpu9250"`."""


class Driver(mpu6500.Driver):
    """One MPU-9250, read from its FIFO."""

    name = "mpu9250"
    identity = IDENTITY
