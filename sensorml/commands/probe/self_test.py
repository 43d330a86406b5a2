"""`sensorml probe --self-test`: have every accelerometer that answers try itself.

A self-test writes the chip's registers: what reads the chip meanwhile, the
service above all, must not run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, cast

from sensorml.acquisition.self_test import SelfTest, Verdict
from sensorml.buses import i2c
from sensorml.commands.probe.i2c_scan import Sensors
from sensorml.errors import BusError, SensorError
from sensorml.interfaces import Registers

DRIVERS: Final = {
    "ADXL345 or ADXL343": "adxl345",
    "ADXL355": "adxl355",
    "LIS3DH": "lis3dh",
    "KX134": "kx134",
    "MPU6050": "mpu6050",
    "MPU6500": "mpu6500",
    "MPU9250": "mpu9250",
    "MPU9255": "mpu9250",
    "ICM-20948": "icm20948",
}
"""The driver whose `self_test` fits a chip, by the name that the scan gives it."""


class SelfTesting(Protocol):
    """What the file of such a driver holds beside `interfaces.DriverModule`."""

    def self_test(self, bus: Registers, pause: Callable[[float], None]) -> SelfTest:
        """Try the chip; its settings are those of the test then.

        Raises:
            BusError: the chip did not answer.
            SensorError: it is another chip, or does not take the settings.
        """


@dataclass(frozen=True, slots=True)
class Tested:
    """One sensor and what came of its self-test."""

    bus: int
    address: int
    chip: str
    result: SelfTest

    def __str__(self) -> str:
        axes = ", ".join(
            f"{each.axis} {each.change_g:+.2f} g of {each.least_g:.2f} to "
            f"{each.most_g:.2f}"
            for each in self.result.axes
        )
        where = f"{self.chip} at {self.address:#04x} on i2c-{self.bus}"
        said = f"{where}: self-test {self.result.verdict}"
        said += f" ({axes})" if axes else ""
        return f"{said}: {self.result.why}" if self.result.why else said


def run(
    sensors: Sequence[Sensors],
    connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Tested]:
    """Test one after the other all sensors that can be tested."""
    for found in sensors:
        for answer in found.answers:
            if driver := DRIVERS.get(answer.chip):
                options = i2c.I2cOptions(bus=found.bus, address=answer.address)
                result = _tested(driver, options, connect, pause)
                yield Tested(found.bus, answer.address, answer.chip, result)


def failed(tests: Sequence[Tested]) -> bool:
    return any(each.result.verdict is Verdict.FAILED for each in tests)


def _tested(
    driver: str,
    options: i2c.I2cOptions,
    connect: Callable[[i2c.I2cOptions, str], Registers],
    pause: Callable[[float], None],
) -> SelfTest:
    module = cast("SelfTesting", import_module(f"sensorml.drivers.{driver}"))
    try:
        with closing(connect(options, driver)) as bus:
            return module.self_test(bus, pause)
    except (BusError, SensorError) as err:
        where = f"{driver} at {options.address:#04x} on {options.thread}: "
        return SelfTest(Verdict.FAILED, why=str(err).removeprefix(where))
