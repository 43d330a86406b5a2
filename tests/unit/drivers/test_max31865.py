"""MAX31865: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_bus import SimulatedSelect

from sensorml.drivers.max31865 import Driver, Options, celsius
from sensorml.errors import SensorError
from sensorml.sim.chips import max31865


def bench(chip, **keys):
    bus, options = SimulatedSelect(), Options(bus="sim", **keys)
    bus.attach(options, chip)
    return Driver(options, bus.connect, bus.clock)


@given(st.floats(-200, 850))
def test_the_curve_of_a_platinum_thermometer_is_inverted(t):
    a, b, c = 3.9083e-3, -5.775e-7, -4.183e-12
    ratio = 1 + a * t + b * t * t + (c * (t - 100) * t**3 if t < 0 else 0)
    assert celsius(ratio) == pytest.approx(t, abs=1e-4)


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({}, round(138.505 / 430 * 2**15)),
        ({"reference_ohm": 400.0}, 0x2C52),
        ({"rtd": "PT1000"}, round(1385.05 / 4300 * 2**15)),
        ({"rtd": "PT1000", "reference_ohm": 4000.0}, 0x2C52),
    ],
)
def test_a_hundred_degrees_come_back(keys, code):
    chip = max31865.Chip()
    chip.code = code
    driver = bench(chip, **keys)
    driver.start()
    assert driver.read().samples[0, 0] == pytest.approx(100, abs=0.05)


@pytest.mark.parametrize(
    ("keys", "config"),
    [({}, 0xC1), ({"wires": 3}, 0xD1), ({"wires": 2, "mains_hz": 60}, 0xC0)],
)
def test_the_chip_is_set_to_wires_and_mains(keys, config):
    chip = max31865.Chip()
    bench(chip, **keys).start()
    assert chip.config == config


def test_the_thresholds_are_the_ends_of_the_curve():
    chip = max31865.Chip()
    bench(chip, reference_ohm=400.0).start()
    assert chip.word(0x03) >> 1 == pytest.approx(390.48 / 400 * 2**15, abs=1)
    assert chip.word(0x05) >> 1 == pytest.approx(18.52 / 400 * 2**15, abs=1)


@pytest.mark.parametrize(
    ("code", "words"),
    [(2**15 - 1, "above that of 850 °C.*open wire"), (0, "below that of -200.*short")],
)
def test_a_cable_that_breaks_or_is_shorted_is_reported_until_it_is_mended(code, words):
    chip = max31865.Chip()
    driver = bench(chip)
    driver.start()
    driver.read()
    whole, chip.code = chip.code, code
    with pytest.raises(SensorError, match=words):
        driver.read()
    driver.start()
    with pytest.raises(SensorError, match=words):
        driver.read()
    chip.code = whole
    driver.start()
    assert driver.read() is not None


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (0x04, "short to VCC"),
        (0x08, r"\(GND\)"),
        (0x10, "FORCE- is open"),
        (0x20, "thermometer is open"),
    ],
)
def test_a_fault_of_the_wires_is_found_at_the_start(faults, words):
    chip = max31865.Chip()
    chip.faults = faults
    driver = bench(chip)
    with pytest.raises(SensorError, match=words):
        driver.start()
    chip.faults = 0
    driver.start()
    assert driver.read() is not None
