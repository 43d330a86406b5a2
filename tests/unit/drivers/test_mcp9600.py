"""MCP9600: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.mcp9600 import Driver, Options
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import mcp9600


def bench(chip, **options):
    bus = SimBus({0x67: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), Clock()
    )
    driver.start()
    return driver


@given(st.integers(-200 * 16, 1800 * 16), st.integers(-40 * 16, 125 * 16))
def test_both_junctions_come_back(hot, cold):
    chip = mcp9600.Chip()
    chip.hot_celsius, chip.cold_celsius = hot / 16, cold / 16
    assert bench(chip).read().samples.tolist() == [[hot / 16, cold / 16]]


@pytest.mark.parametrize(("letter", "code"), [("K", 0x00), ("J", 0x10), ("R", 0x70)])
def test_the_type_of_the_thermocouple_is_set(letter, code):
    chip = mcp9600.Chip()
    bench(chip, thermocouple=letter)
    assert chip.held[0x05] == bytes((code,))


def test_a_hysteresis_holds_all_eight_bits():
    chip = mcp9600.Chip()
    chip.write(b"\x0c\xff")
    assert chip.held[0x0C] == b"\xff"


def test_a_thermocouple_that_is_not_there_is_an_error():
    chip = mcp9600.Chip()
    driver = bench(chip)
    chip.out_of_range = True
    with pytest.raises(SensorError, match="thermocouple is connected"):
        driver.read()


@pytest.mark.parametrize(("hot", "cold"), [(2000.0, 20.0), (20.0, 130.0)])
def test_a_temperature_that_cannot_be_is_an_error(hot, cold):
    chip = mcp9600.Chip()
    chip.hot_celsius, chip.cold_celsius = hot, cold
    with pytest.raises(SensorError, match="outside"):
        bench(chip).read()
