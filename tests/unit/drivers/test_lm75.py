"""LM75: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.lm75 import Driver, Options
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import lm75


def bench(celsius):
    chip = lm75.Chip()
    chip.celsius = celsius
    bus = SimBus({0x48: chip})
    driver = Driver(Options(bus="sim"), lambda o, c: I2cConnection(bus, o, c), Clock())
    driver.start()
    return driver


@given(st.integers(-110, 250))
def test_every_temperature_of_its_range_comes_back(steps):
    assert bench(steps / 2).read().samples.tolist() == [[steps / 2]]


@pytest.mark.parametrize("celsius", [-55.5, 125.5, -128.0])
def test_a_temperature_it_cannot_measure_is_an_error(celsius):
    with pytest.raises(SensorError, match=r"lm75 at 0x48 on i2c-sim: .* outside"):
        bench(celsius).read()
