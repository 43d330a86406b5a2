"""VL53L0X: what is particular to it; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.buses.i2c import Device
from sensorml.drivers.vl53l0x import Driver, Options, decode
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import vl53l0x


def bench(**options):
    clock = Clock()
    chip = vl53l0x.Chip(clock=clock)
    bus = SimBus({0x29: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: Device(bus, o, c), clock
    )
    driver.start()
    return driver, chip, clock


@pytest.mark.parametrize("distance_mm", [30, 1234, 2000])
def test_a_distance_is_in_metres(distance_mm):
    driver, chip, clock = bench()
    chip.distance_mm = distance_mm
    clock.advance(1)
    assert driver.read().samples.tolist() == [[pytest.approx(distance_mm / 1000)]]


@given(st.integers(0, 0xFF), st.integers(0, 0xFFFF))
def test_a_range_counts_only_when_it_is_complete_and_of_something(status, range_mm):
    result = bytes((status, *bytes(9))) + range_mm.to_bytes(2, "big")
    good = status >> 3 & 0xF == 11 and range_mm < 8190
    assert decode(result) == (range_mm / 1000 if good else None)


def test_rows_with_nothing_in_reach_are_missed():
    driver, chip, clock = bench()
    clock.advance(1)
    assert driver.read().missed == 0
    chip.distance_mm = 5000
    for _ in range(3):
        clock.advance(1)
        assert driver.read() is None
    chip.distance_mm = 500
    clock.advance(1)
    block = driver.read()
    assert (block.samples.tolist(), block.missed) == ([[0.5]], 3)


def test_a_range_is_not_given_out_twice():
    driver, _, clock = bench()
    clock.advance(1)
    driver.read()
    with pytest.raises(SensorError, match="no range in 1 s: it has stopped"):
        driver.read()


def test_a_range_that_runs_ends_after_the_stop():
    driver, chip, clock = bench()
    driver.stop()
    clock.advance(1)
    chip.read(1)
    assert not chip._running
