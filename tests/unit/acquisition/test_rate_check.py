"""The true rate of a FIFO against its data sheet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.acquisition.rate_check import RateCheck
from sensorml.types import RateFault

NOMINAL_HZ = 800.0
READ_NS = 400_000


def run(check: RateCheck, true_hz: float, seconds: float, *, began_ns: int = 0) -> int:
    """Read a FIFO of that rate every 17 ms; return the rows that others got."""
    taken, stolen = 0, 0
    for n in range(1, round(seconds / 0.017)):
        at_ns = began_ns + n * 17_000_000
        there = int(n * 0.017 * true_hz)
        stolen += check.add(there - taken, at_ns - READ_NS // 2, at_ns + READ_NS // 2)
        taken = there
    return stolen


@given(st.floats(-0.049, 0.049))
def test_a_rate_that_the_data_sheet_allows_is_no_fault(error):
    check = RateCheck(NOMINAL_HZ, 0.05)
    assert run(check, NOMINAL_HZ * (1 + error), 10) == 0
    assert check.fault is None


@given(st.floats(0.06, 0.9), st.sampled_from([-1, 1]))
def test_another_rate_is_a_fault_with_both_figures(error, sign):
    check = RateCheck(NOMINAL_HZ, 0.05)
    true_hz = NOMINAL_HZ * (1 + sign * error)
    run(check, true_hz, 5)
    assert check.fault is not None
    assert check.fault.measured_hz == pytest.approx(true_hz, rel=0.005, abs=1)
    assert check.fault.nominal_hz == NOMINAL_HZ
    assert check.shared == (check.fault.measured_hz < 0.9 * NOMINAL_HZ)


def test_the_rows_that_another_reader_got_are_counted_from_the_first():
    check = RateCheck(NOMINAL_HZ, 0.05)
    stolen = run(check, NOMINAL_HZ / 2, 30)
    assert stolen == pytest.approx(30 * NOMINAL_HZ / 2, rel=0.005)


def test_a_fault_is_a_sentence():
    fault = RateFault(347.44, 800.0, 0.05)
    assert str(fault) == "347.4 samples a second and not 800 Hz ± 5 %"


def test_a_slow_oscillator_has_lost_no_rows():
    check = RateCheck(NOMINAL_HZ, 0.02)
    assert run(check, NOMINAL_HZ * 0.96, 5) == 0
    assert check.fault is not None
    assert not check.shared


def test_the_fault_is_over_when_the_rate_is_right_again():
    check = RateCheck(NOMINAL_HZ, 0.05)
    run(check, NOMINAL_HZ / 2, 3)
    check.restart()
    run(check, NOMINAL_HZ, 3, began_ns=5_000_000_000)
    assert check.fault is None


def test_a_slow_sensor_is_measured_until_that_is_certain():
    check = RateCheck(25.0, 0.05)
    for n in range(1, 41):  # one row a read, which may be one too few or too many
        check.add(1, n * 50_000_000, n * 50_000_000)
    assert check.fault is None  # 20 rows a second for 2 s: not certain
    for n in range(41, 100):
        check.add(1, n * 50_000_000, n * 50_000_000)
    assert check.fault is not None
    assert check.fault.measured_hz == pytest.approx(20, rel=0.02)


def test_a_read_that_took_long_proves_nothing():
    check = RateCheck(NOMINAL_HZ, 0.05)
    check.add(14, 0, READ_NS)
    second_ns = 1_000_000_000
    check.add(1_200, 2 * second_ns, 3 * second_ns)
    assert check.fault is None
