"""MAX31855: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_bus import SimulatedSelect

from sensorml.drivers.max31855 import Driver, Options
from sensorml.errors import BusError, BusReason, SensorError
from sensorml.sim.chips import max31855


def bench(chip):
    bus, options = SimulatedSelect(), Options(bus="sim")
    bus.attach(options, chip)
    return Driver(options, bus.connect, bus.clock)


@given(st.integers(-270 * 4, 1800 * 4), st.integers(-40 * 16, 125 * 16))
def test_both_junctions_come_back(hot, cold):
    chip = max31855.Chip()
    driver = bench(chip)
    driver.start()
    chip.hot_celsius, chip.cold_celsius = hot / 4, cold / 16
    if hot == cold == 0:
        return
    assert driver.read().samples.tolist() == [[hot / 4, cold / 16]]


@pytest.mark.parametrize(
    ("faults", "words"),
    [(1, "is open: check"), (2, r"to ground \(GND\): use"), (4, r"\(VCC\): check")],
)
def test_every_fault_is_reported_with_its_cure_and_ends(faults, words):
    chip = max31855.Chip()
    driver = bench(chip)
    driver.start()
    chip.faults = faults
    with pytest.raises(SensorError, match=words):
        driver.read()
    with pytest.raises(SensorError, match=words):
        driver.start()
    chip.faults = 0
    driver.start()
    assert driver.read() is not None


def test_an_answer_of_another_chip_is_refused():
    chip = max31855.Chip()
    chip.frame = lambda _sent: b"\x06\x4e\x64\x90"  # a bit that is always 0
    with pytest.raises(SensorError, match="no answer of a MAX31855"):
        bench(chip).start()


@pytest.mark.parametrize(("hot", "cold"), [(1900.0, 20.0), (20.0, 127.0)])
def test_a_temperature_that_cannot_be_is_an_error(hot, cold):
    chip = max31855.Chip()
    chip.hot_celsius, chip.cold_celsius = hot, cold
    with pytest.raises(SensorError, match="outside"):
        bench(chip).start()


def test_zeros_at_both_junctions_count_as_a_missing_chip():
    chip = max31855.Chip()
    chip.hot_celsius = chip.cold_celsius = 0.0
    with pytest.raises(BusError) as failure:
        bench(chip).start()
    assert failure.value.reason is BusReason.NOBODY
