"""ADXL345: what is particular to it; the rest is in contracts/test_drivers.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.adxl345 import Driver, Options, decode
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345
from sensorml.sim.machine import Machine, MachineOptions


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=None, **options):
    clock = Clock()
    chip = adxl345.Chip(Machine(machine or MachineOptions()), clock)
    bus = SimBus({0x53: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
    )
    return driver, bus, clock


@given(st.lists(st.tuples(*[st.integers(-4096, 4095)] * 3), min_size=1, max_size=33))
def test_decode_gives_back_what_the_chip_encoded(rows):
    decoded = decode(np.array(rows, "<i2").tobytes())
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded * 256, rows)


def test_the_bytes_on_the_wire_are_nearly_only_samples():
    driver, bus, clock = bench()
    driver.start()
    before, rows = bus.wire_bytes, 0
    for _ in range(100):
        clock.wait(driver.period_s)
        rows += len(driver.read().samples)
    minimum = rows * (1 + 1 + 1 + 6)  # two addresses, a register, a sample
    assert bus.wire_bytes - before < 1.1 * minimum


def test_a_burst_is_two_system_calls_one_for_the_count_and_one_for_the_samples():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(driver.period_s)
    before = bus.transfers
    driver.read()
    assert bus.transfers - before == 2


def test_the_fifo_is_read_before_it_is_half_full():
    for rate_hz in (25, 100, 800, 3200):
        rows = Options(rate_hz=rate_hz).rate_hz * bench(rate_hz=rate_hz)[0].period_s
        assert rows < 16


def test_a_fifo_that_is_just_full_has_lost_nothing():
    driver, _, clock = bench()
    driver.start()
    for _ in range(100):
        clock.wait(driver.period_s)
        driver.read()
    clock.wait(32.5 / 800)
    block = driver.read()
    assert len(block.samples) == 32
    assert block.missed <= 1
    clock.wait(132.5 / 800)
    assert driver.read().missed == pytest.approx(100, abs=1)


def test_all_ones_are_an_open_data_line_and_no_sample():
    least = -1 / 256
    driver, _, clock = bench(
        MachineOptions(harmonics=(), noise_g=0.0, gravity=(least, least, least))
    )
    driver.start()
    clock.wait(0.02)
    with pytest.raises(SensorError, match="adxl345 at 0x53 on i2c-sim: nothing but"):
        driver.read()
