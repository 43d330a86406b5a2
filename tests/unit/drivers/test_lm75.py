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


def stopped(celsius, sold_as="lm75", chip="lm75"):
    simulated = lm75.Chip(chip=chip)
    simulated.celsius = celsius
    bus = SimBus({0x48: simulated})
    options = Options(bus="sim", chip=sold_as)
    driver = Driver(options, lambda o, c: I2cConnection(bus, o, c), Clock())
    return simulated, driver


def bench(celsius, *chips):
    _, driver = stopped(celsius, *chips)
    driver.start()
    return driver


@given(st.integers(-110, 250))
def test_every_temperature_of_its_range_comes_back(steps):
    assert bench(steps / 2).read().samples.tolist() == [[steps / 2]]


@pytest.mark.parametrize("celsius", [-55.5, 125.5, -128.0])
def test_a_temperature_it_cannot_measure_is_an_error(celsius):
    with pytest.raises(SensorError, match=r"lm75 at 0x48 on i2c-sim: .* outside"):
        bench(celsius).read()


@pytest.mark.parametrize(
    ("chip", "step"),
    [("lm75b", 0.125), ("pct2075", 0.125), ("tmp75", 0.0625), ("tmp102", 0.0625)],
)
@pytest.mark.parametrize("steps", [-160, -1, 1, 201])
def test_a_sibling_has_its_own_steps(chip, step, steps):
    celsius = steps * step
    assert bench(celsius, chip, chip).read().samples.tolist() == [[celsius]]


@pytest.mark.parametrize("chip", ["lm75b", "pct2075", "tmp75"])
def test_a_sibling_read_as_an_lm75_gives_whole_steps(chip):
    assert bench(20.625, "lm75", chip).read().samples.tolist() == [[20.5]]


def test_a_tmp102_shows_itself_and_is_read_as_one():
    simulated, driver = stopped(20.0625, "lm75", "tmp102")
    assert driver.start() == (
        "lm75 at 0x48 on i2c-sim: the bits R1 and R0 always read 1, as those of a "
        'TMP102 or TMP112: it is read as that, write chip = "tmp102"'
    )
    assert driver.read().samples.tolist() == [[20.0625]]
    driver.stop()
    assert simulated.asleep


def test_a_configured_tmp102_causes_no_warning():
    assert stopped(20.0, "tmp102", "tmp102")[1].start() is None


def test_a_tmp102_that_lost_its_settings_is_an_error():
    simulated, driver = stopped(20.0, "tmp102", "tmp102")
    driver.start()
    simulated.brown_out()
    with pytest.raises(SensorError, match="was set to 70 and reads 60"):
        driver.read()
