"""INA3221: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import msgspec
import pytest
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import ina219, ina226
from sensorml.drivers.ina3221 import Driver, Options, channels
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import ina219 as sim_ina219
from sensorml.sim.chips import ina3221


def bench(chip, driver=Driver, options=Options, **keys):
    bus = SimBus({0x40: chip})
    made = driver(
        options(bus="sim", **keys), lambda o, c: I2cConnection(bus, o, c), Clock()
    )
    made.start()
    return made


@pytest.mark.parametrize("inputs", [(1, 2, 3), (3, 1), (2,)])
def test_the_channels_come_in_their_order(inputs):
    chip = ina3221.Chip()
    block = bench(chip, inputs=inputs, shunt_ohm=0.1).read()
    expected = []
    for number in inputs:
        volts, amperes = chip.bus_v[number - 1], chip.shunt_v[number - 1] / 0.1
        expected += [volts, amperes, volts * amperes]
    assert block.samples[0].tolist() == pytest.approx(expected)
    assert not len(block.clipped)
    names = [channel.name for channel in channels(Options(inputs=inputs))]
    assert names[:2] == [f"voltage_{inputs[0]}", f"current_{inputs[0]}"]


def test_a_shunt_at_full_scale_is_marked():
    chip = ina3221.Chip()
    chip.shunt_v[1] = 0.5
    block = bench(chip).read()
    assert block.clipped.tolist() == [0]
    assert block.samples[0, 4] == pytest.approx(1.638)


def test_a_voltage_that_cannot_be_is_an_error_with_the_channel():
    chip = ina3221.Chip()
    driver = bench(chip)
    chip.bus_v[2] = 27.0
    with pytest.raises(SensorError, match=r"27\.0 V on channel 3"):
        driver.read()


@pytest.mark.parametrize("module", [ina219, ina226])
def test_it_is_refused_by_its_relatives_with_its_driver(module):
    with pytest.raises(SensorError, match='driver = "ina3221"'):
        bench(ina3221.Chip(), module.Driver, module.Options)


def test_an_ina219_is_refused_with_its_driver():
    with pytest.raises(SensorError, match='no INA3221: write driver = "ina219"'):
        bench(sim_ina219.Chip())


@pytest.mark.parametrize("inputs", [[], [4], [1, 1], [1, 2, 3, 1]])
def test_impossible_inputs_are_refused(inputs):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"inputs": inputs}, Options)
