"""VL53L0X: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.vl53l0x import Driver, Options, decode
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import vl53l0x


def bench(**options):
    clock = Clock()
    chip = vl53l0x.Chip(clock=clock)
    bus = SimBus({0x29: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
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
def test_the_status_decides_whether_the_range_is_a_distance(status, range_mm):
    result = bytes((status, *bytes(9))) + range_mm.to_bytes(2, "big")
    ended = status >> 3 & 0xF
    if ended in {1, 2, 3}:
        with pytest.raises(ValueError, match=f"range status {ended}: "):
            decode(result)
    elif ended in {4, 6, 9}:
        assert decode(result) == 8.19
    else:
        expected = min(range_mm, 8190) / 1000 if ended == 11 else None
        assert decode(result) == expected


def test_nothing_in_reach_is_a_row_at_full_scale():
    driver, chip, clock = bench()
    chip.distance_mm = 5000
    for _ in range(3):
        clock.advance(1)
        block = driver.read()
        assert (block.samples[0, 0], block.missed) == (pytest.approx(8.19), 0)
        assert block.clipped.tolist() == [0]
    chip.distance_mm = 500
    clock.advance(1)
    block = driver.read()
    assert (block.samples.tolist(), block.missed) == ([[0.5]], 0)
    assert block.clipped.tolist() == []


def test_a_range_that_failed_is_a_missed_row():
    driver, chip, clock = bench()
    clock.advance(1)
    driver.read()
    chip.status = 10
    clock.advance(1)
    assert driver.read() is None
    chip.status = None
    clock.advance(1)
    assert driver.read().missed == 1


def test_a_broken_laser_is_an_error():
    driver, chip, clock = bench()
    chip.status = 1
    clock.advance(1)
    with pytest.raises(SensorError, match=r"range status 1: .*: power-cycle it"):
        driver.read()


def test_a_range_is_not_given_out_twice():
    driver, _, clock = bench()
    clock.advance(1)
    driver.read()
    clock.advance(0.02)
    assert driver.read() is None


def test_a_chip_that_no_longer_ranges_is_an_error():
    driver, chip, clock = bench(rate_hz=20)
    chip.write(bytes((0x00, 0x01)))  # a stop from elsewhere
    clock.advance(0.05)
    driver.read()  # the range that ran
    clock.advance(0.05)
    assert driver.read() is None
    clock.advance(0.06)
    with pytest.raises(SensorError, match=r"no range in 0\.1 s: it has stopped"):
        driver.read()


def test_a_range_that_runs_ends_after_the_stop():
    driver, chip, clock = bench()
    driver.stop()
    clock.advance(1)
    chip.read(1)
    assert not chip._running
