"""Accelerometers of Analog Devices and ST in place of one another."""

import numpy as np
import pytest
from simulated_bus import SimulatedBus

from sensorml import plugins
from sensorml.errors import SensorError
from sensorml.sim.chips import adxl345, adxl355, adxl357, lis3dh
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.0, 0.0, 1.0))


class Bench:
    def __init__(self, driver, chips, **chip):
        self.module = plugins.driver(driver)
        self.bus = SimulatedBus()
        self.options = self.module.Options(bus="sim")
        simulated = chips.Chip(Machine(STILL), self.bus.clock, **chip)
        self.bus.put({self.options.address: simulated})
        self.driver = self.module.Driver(self.options, self.bus.connect, self.bus.clock)

    def level(self):
        self.bus.wait(0.2)
        return self.driver.read().samples.mean(axis=0)


def test_an_adxl346_is_named_and_read_as_an_adxl345():
    bench = Bench("adxl345", adxl345, identity=0xE6)
    assert "that of ADXL346 or ADXL344, and is read as ADXL345" in bench.driver.start()
    np.testing.assert_allclose(bench.level(), (0, 0, 1), atol=0.01)


@pytest.mark.parametrize(
    ("driver", "chips", "identity", "right"),
    [
        ("adxl345", adxl355, 0xED, "adxl355"),
        ("adxl355", adxl345, 0xE5, "adxl345"),
    ],
)
def test_the_other_chip_at_the_same_address_is_refused_by_its_name(
    driver, chips, identity, right
):
    bench = Bench(driver, chips, identity=identity)
    with pytest.raises(SensorError, match=f'and not of .*: write driver = "{right}"'):
        bench.driver.start()


def test_a_lis2dw12_is_no_lis3dh():
    with pytest.raises(SensorError, match="that of LIS2DW12"):
        Bench("lis3dh", lis3dh, identity=0x44).driver.start()


def test_an_adxl357_has_its_own_scale():
    bench = Bench("adxl357", adxl357)
    assert bench.driver.start() is None
    np.testing.assert_allclose(bench.level(), (0, 0, 1), atol=0.001)


def test_the_self_test_of_an_adxl357_is_undecided_and_names_it():
    bench = Bench("adxl355", adxl357)
    bus = bench.bus.connect(bench.options, "adxl355")
    result = bench.module.self_test(bus, bench.bus.wait)
    assert (result.verdict, "as an ADXL357" in result.why) == ("undecided", True)
