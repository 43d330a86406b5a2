"""The clock of a simulated chip: when samples are taken, and how many."""

import numpy as np
import pytest

from sensorml.buses.i2c_traffic import ManualClock
from sensorml.sim.converter import Converter
from sensorml.sim.machine import Machine, MachineOptions

SECOND_NS = 10**9


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def converter(clock):
    made = Converter(Machine(MachineOptions()), clock, 0.01)
    made.start(100.0)
    return made


def take(converter, clock, seconds):
    """Let time pass; returns how many samples have come."""
    clock.now_ns += round(seconds * SECOND_NS)
    return len(converter.due(10_000, 256, 4096, frozen=False))


def test_it_samples_at_its_own_pace(converter, clock):
    assert converter.rate_hz == pytest.approx(101)
    assert take(converter, clock, 10.001) == 1010


def test_an_oscillator_that_drifts_changes_the_pace_and_leaves_out_nothing(
    converter, clock
):
    begun_ns = clock.now_ns
    assert take(converter, clock, 1.0) == 101
    converter.drift(-0.5)
    assert converter.rate_hz == pytest.approx(50)
    assert converter.taken == 101
    assert take(converter, clock, 2.001) == 100
    times_ns = converter.times_ns(101, 201)
    assert times_ns[0] - begun_ns == pytest.approx(SECOND_NS * 1.02, abs=1)
    np.testing.assert_allclose(np.diff(times_ns), SECOND_NS / 50, atol=1)


def test_a_drift_while_it_sleeps_shows_when_it_wakes(converter, clock):
    converter.stop()
    converter.drift(0.02)
    assert take(converter, clock, 0.0) == 0
    assert not converter.waiting()
    converter.start(100.0)
    assert take(converter, clock, 1.001) == 102
