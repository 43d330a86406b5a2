"""The simulated accelerometer, with its faults."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.drivers.sim import BACKLOG_S, Driver, Options
from sensorml.errors import BusError
from sensorml.sim.machine import Machine, MachineOptions


class Clock:
    def __init__(self):
        self.now = 10**12

    def __call__(self):
        return self.now


def run(options, seconds, period_s=0.05):
    clock = Clock()
    driver = Driver(options, clock)
    driver.start()
    blocks = []
    while clock.now < 10**12 + seconds * 1e9:
        clock.now += round(period_s * 1e9)
        if (block := driver.read()) is not None:
            blocks.append(block)
    return blocks


def joined(blocks):
    return np.concatenate([block.samples for block in blocks])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 0.9), min_size=1, max_size=20))
def test_the_rows_do_not_depend_on_when_they_are_read(waits):
    clock = Clock()
    driver = Driver(Options(), clock)
    driver.start()
    blocks = []
    for wait in waits:
        clock.now += round(wait * 1e9)
        if (block := driver.read()) is not None:
            blocks.append(block)
            assert block.age_ns <= 1e9 / 800 + 1
    if blocks:
        got = joined(blocks)
        times_s = np.arange(1, len(got) + 1) / 800
        truth = Machine(MachineOptions()).acceleration(times_s)
        np.testing.assert_array_equal(got, truth.astype(np.float32))
        assert blocks[0].start_ns == 10**12 + 1_250_000


def test_an_error_of_the_oscillator_shows_in_the_rate_of_blocks():
    blocks = run(Options(rate_hz=1000.0, rate_error=0.04), 10)
    assert len(joined(blocks)) == pytest.approx(10_400, abs=1)
    assert blocks[-1].rate_hz == pytest.approx(1040.0)


def test_a_frozen_sensor_repeats_one_row_for_as_long_as_it_should():
    samples = joined(run(Options(frozen_after_s=2.0, frozen_for_s=1.0), 4))
    same = (np.diff(samples, axis=0) == 0).all(axis=1)
    assert same[1605:2395].all()
    assert not same[:1595].any()
    assert not same[2405:].any()


def test_a_gap_is_missed_once_and_the_times_go_on():
    blocks = run(Options(gap_after_s=1.01, gap_rows=160), 3)
    gaps = [(before, after) for before, after in pairwise(blocks) if after.missed]
    assert [after.missed for _, after in gaps] == [160]
    before, after = gaps[0]
    rows = len(before.samples) + 160
    assert after.start_ns - before.start_ns == pytest.approx(rows * 1.25e6, abs=2)
    assert len(joined(blocks)) + 160 == 2400


def test_a_late_read_misses_the_oldest_rows_and_counts_them():
    clock = Clock()
    driver = Driver(Options(), clock)
    driver.start()
    clock.now += 60 * 10**9
    block = driver.read()
    assert len(block.samples) == BACKLOG_S * 800
    assert block.missed == 59 * 800


def test_jitter_widens_the_lines_of_the_spectrum():
    machine = MachineOptions(noise_g=0.0, harmonics=(1.0,), rpm=6000.0)
    steady = joined(run(Options(machine=machine), 2))[:, 2]
    shaky = joined(run(Options(machine=machine, jitter_s=1e-4), 2))[:, 2]
    difference = (shaky - steady).std()
    assert difference == pytest.approx(2 * np.pi * 100 * 1e-4 / np.sqrt(2), rel=0.1)


def test_full_scale_is_clipped_and_named():
    machine = MachineOptions(noise_g=0.0, harmonics=(1.0,), gravity=(0.0, 0.0, 1.5))
    for block in run(Options(machine=machine, range_g=2.0), 1):
        assert block.samples.max() <= 2.0
        full = np.flatnonzero(block.samples[:, 2] == 2.0)
        np.testing.assert_array_equal(block.clipped, full)


def test_a_new_start_begins_anew_and_a_stopped_one_cannot_be_read():
    clock = Clock()
    driver = Driver(Options(), clock)
    with pytest.raises(BusError, match="not started"):
        driver.read()
    driver.start()
    clock.now += 10**8
    first = driver.read()
    driver.stop()
    with pytest.raises(BusError, match="not started"):
        driver.read()
    driver.start()
    clock.now += 10**8
    np.testing.assert_array_equal(driver.read().samples, first.samples)


def test_its_options_come_from_a_table():
    options = msgspec.convert(
        {"rate_hz": 1600, "machine": {"fault": "inner", "fault_after_s": 12}}, Options
    )
    assert options.machine.fault == "inner"
    assert options.thread == "sim"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rate_hz": 0}, Options)
