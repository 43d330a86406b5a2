"""INA219: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.ina219 import Driver, Options
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import ina219, ina226


def bench(chip, **options):
    bus = SimBus({0x40: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), Clock()
    )
    driver.start()
    return driver


@pytest.mark.parametrize("shunt_v", [0.05, -0.05, 0.0])
@pytest.mark.parametrize("shunt_ohm", [0.1, 0.002])
def test_current_and_power_follow_from_the_shunt(shunt_v, shunt_ohm):
    chip = ina219.Chip()
    chip.shunt_v, chip.bus_v = shunt_v, 24.0
    block = bench(chip, shunt_ohm=shunt_ohm).read()
    amperes = shunt_v / shunt_ohm
    assert block.samples[0].tolist() == pytest.approx([24.0, amperes, 24.0 * amperes])
    assert not len(block.clipped)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_shunt_at_full_scale_is_named(sign):
    chip = ina219.Chip()
    chip.shunt_v = sign * 0.5
    block = bench(chip).read()
    assert block.clipped.tolist() == [0]
    assert block.samples[0, 1] == pytest.approx(sign * 0.32 / 0.1, rel=1e-4)


def test_a_voltage_that_cannot_be_is_an_error():
    chip = ina219.Chip()
    driver = bench(chip)
    chip.frozen = True
    chip.held[0x02] = b"\xff\xf8"
    with pytest.raises(SensorError, match=r"ina219 at 0x40 on i2c-sim: .*more than"):
        driver.read()


def test_an_ina226_is_refused_with_its_driver():
    with pytest.raises(SensorError, match=r'identity of INA226, .* driver = "ina226"'):
        bench(ina226.Chip())
