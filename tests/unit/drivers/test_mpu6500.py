"""MPU-6500: what is particular to it; the rest is in contracts/test_chips.py."""

import itertools
from typing import get_args, get_type_hints

import numpy as np
import pytest

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.mpu6500 import Driver, Options
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import mpu6500
from sensorml.sim.machine import Machine, MachineOptions

RATES = get_args(get_type_hints(Options)["rate_hz"])
# Upper ends in Hz by A_DLPF_CFG, 8 for none: register 29 of the MPU-6500 (Rev.
# 2.1) and of the MPU-9250 (Rev. 1.6), which differ about the same silicon.
FILTERS_HZ = {
    "mpu6500": (460, 184, 92, 41, 20, 10, 5, 460, 1130),
    "mpu9250": (218.1, 218.1, 99.0, 44.8, 21.2, 10.2, 5.05, 420, 1046),
}


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=None, rate_error=0.0, **options):
    clock = Clock()
    machine = Machine(machine or MachineOptions())
    chip = mpu6500.Chip(machine, clock, rate_error=rate_error)
    bus = SimBus({0x68: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
    )
    return driver, chip, clock


def get(chip, register, length=1):
    chip.write(bytes([register]))
    return chip.read(length)


def run(driver, clock, reads):
    blocks = []
    for _ in range(reads):
        clock.wait(driver.period_s)
        blocks.append(driver.read())
    return [block for block in blocks if block is not None]


def test_without_filter_it_gives_four_thousand_whole_rows_a_second():
    driver, chip, clock = bench(rate_hz=4000, rate_error=0.01)
    driver.start()
    blocks = run(driver, clock, 1000)
    assert blocks[-1].rate_hz == pytest.approx(4040, rel=1e-4)
    assert sum(len(block.samples) for block in blocks) == chip.converter.taken
    truth = Machine(MachineOptions()).acceleration(
        (chip.converter.times_ns(0, 20) - chip.converter.born_ns) / 1e9
    )
    np.testing.assert_allclose(blocks[0].samples[:20], truth, atol=0.001)


@pytest.mark.parametrize("rate_hz", RATES)
def test_its_filter_is_the_widest_that_ends_below_half_the_rate(rate_hz):
    driver, chip, _ = bench(rate_hz=rate_hz)
    driver.start()
    chosen = get(chip, 0x1D)[0]
    for hz in FILTERS_HZ.values():
        fitting = [end for end in hz[: 9 if rate_hz > 1000 else 8] if end < rate_hz / 2]
        assert hz[chosen] == max(fitting)


def test_a_gyroscope_that_is_on_holds_the_fifo_at_its_own_pace():
    clock = Clock()
    chip = mpu6500.Chip(Machine(MachineOptions()), clock)
    for register, value in ((0x1A, 1), (0x1D, 0x08), (0x23, 0x08), (0x6A, 0x40)):
        chip.write(bytes([register, value]))
    for gyros, rate_hz in ((0x00, 1000), (0x03, 1000), (0x07, 4000)):
        chip.write(bytes([0x6C, gyros]))
        before = chip.converter.taken
        clock.wait(1)
        get(chip, 0x00)
        assert chip.converter.taken - before == pytest.approx(rate_hz, abs=1)


def test_it_is_awake_after_power_on_and_its_fifo_is_empty():
    clock = Clock()
    chip = mpu6500.Chip(Machine(MachineOptions()), clock)
    clock.wait(0.1)
    assert not chip.asleep
    assert get(chip, 0x6B) == b"\x01"
    assert get(chip, 0x3B, 6) != bytes(6)
    assert get(chip, 0x72, 2) == b"\x00\x00"


@pytest.mark.parametrize("rate_hz", [1000, 4000])
def test_an_overflow_is_counted_and_whole_rows_follow(rate_hz):
    still = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))
    driver, chip, clock = bench(still, rate_hz=rate_hz)
    driver.start()
    before = run(driver, clock, 100)
    clock.wait(0.5)
    assert driver.read() is None
    after = run(driver, clock, 20)
    assert after[0].missed == pytest.approx(0.5 * rate_hz, abs=2)
    for block in after:
        assert np.all(block.samples == (0.5, -0.25, 1.0))
    got = sum(len(block.samples) + block.missed for block in before + after)
    assert got == pytest.approx(chip.converter.taken, abs=1)


def test_rates_that_follow_each_other_are_each_set_up_anew():
    clock = Clock()
    chip = mpu6500.Chip(Machine(MachineOptions()), clock)
    bus = SimBus({0x68: chip})
    for rate_hz in itertools.chain(RATES, reversed(RATES)):
        options = Options(bus="sim", rate_hz=rate_hz)
        driver = Driver(options, lambda o, c: I2cConnection(bus, o, c), clock)
        driver.start()
        clock.wait(0.9)
        get(chip, 0x00)
        assert chip.converter.taken == pytest.approx(0.9 * rate_hz, abs=1)
        driver.stop()
