"""MPU-9250: what is particular to it; the rest is in contracts/test_chips.py."""

import pytest

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import mpu6500
from sensorml.drivers.mpu9250 import Driver, Options
from sensorml.errors import BusError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import mpu6500 as other
from sensorml.sim.chips import mpu9250
from sensorml.sim.machine import Machine, MachineOptions


def start(driver, options, chip):
    bus = SimBus({0x68: chip})
    return driver(options(bus="sim"), lambda o, c: I2cConnection(bus, o, c)).start()


@pytest.mark.parametrize(
    ("module", "right", "wrong"),
    [
        ((Driver, Options), mpu9250, other),
        ((mpu6500.Driver, mpu6500.Options), other, mpu9250),
    ],
)
def test_it_and_the_mpu6500_are_told_apart_by_their_identity(module, right, wrong):
    machine = Machine(MachineOptions())
    assert start(*module, right.Chip(machine)) is None
    assert "identity register 0x75" in start(*module, wrong.Chip(machine))


def test_its_errors_name_it():
    with pytest.raises(BusError, match="mpu9250: not started"):
        Driver(Options(bus="sim")).read()


def test_it_has_the_rates_of_the_mpu6500():
    assert Options(bus="sim", rate_hz=4000).rate_hz == 4000
    assert Options.__doc__ != mpu6500.Options.__doc__
