"""Functions of the simulated slow chips that only other drivers use."""

import pytest

from sensorml.buses.i2c_traffic import ManualClock
from sensorml.sim.chips import ads1115, ina219, ina226, vl53l0x


@pytest.fixture
def clock():
    return ManualClock()


def put(chip, register, value):
    chip.write(bytes((register, *value.to_bytes(2, "big"))))


def word(chip, register):
    chip.write(bytes((register,)))
    return int.from_bytes(chip.read(2), "big", signed=True)


@pytest.mark.parametrize(
    ("module", "shunt_lsb_v", "bus_lsb_v", "current_by", "power_by"),
    [(ina219, 10e-6, 4e-3, 4096, 5000), (ina226, 2.5e-6, 1.25e-3, 2048, 20_000)],
    ids=["ina219", "ina226"],
)
def test_a_monitor_that_is_calibrated_multiplies(
    module, shunt_lsb_v, bus_lsb_v, current_by, power_by
):
    chip = module.Chip()
    assert (word(chip, 4), word(chip, 3)) == (0, 0)
    put(chip, 5, 1000)
    current = round(chip.shunt_v / shunt_lsb_v) * 1000 // current_by
    assert word(chip, 4) == current
    assert word(chip, 3) == current * round(chip.bus_v / bus_lsb_v) // power_by > 0


def test_a_converter_in_continuous_mode_goes_on_converting(clock):
    chip = ads1115.Chip(None, clock)
    put(chip, 1, 0x4283)  # input 0, 4.096 V, 128 Hz, continuous
    for volts in (0.5, 1.5):
        chip.volts[0] = volts
        clock.now_ns += 10**7
        assert word(chip, 0) == round(volts / 4.096 * 0x8000)
    put(chip, 1, 0x0383)  # single, and no start
    chip.volts[0] = 0.1
    clock.now_ns += 10**8
    assert word(chip, 0) == round(1.5 / 4.096 * 0x8000)


def test_a_finished_range_sets_its_status(clock):
    chip = vl53l0x.Chip(None, clock)

    def ended():
        chip.write(bytes((0x14,)))
        return chip.read(1)[0] & 1

    for _ in range(2):
        chip.write(bytes((0x00, 0x01)))
        assert not ended()
        clock.now_ns += 10**8
        assert ended()
