"""The wall clock while it is slewed, set and slow to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MS, SECOND, Clock

from sensorml.clock import WallClock

UTC = 1_700_000_000 * SECOND


def clocks() -> tuple[WallClock, Clock, Clock]:
    monotonic, utc = Clock(5 * SECOND), Clock(UTC)
    return WallClock(monotonic_ns=monotonic, utc_ns=utc), monotonic, utc


def test_a_monotonic_time_plus_the_offset_is_utc() -> None:
    wall, monotonic, _ = clocks()
    assert monotonic() + wall.offset_ns == UTC


def test_while_both_clocks_run_nothing_was_stepped() -> None:
    wall, monotonic, utc = clocks()
    for clock in (monotonic, utc):
        clock.advance(3_600)
    assert wall.check() == 0
    assert monotonic() + wall.offset_ns == utc()


@pytest.mark.parametrize("step_s", [86_400 * 365, 0.6, -0.6, -3_600])
def test_a_step_is_returned_once_and_followed(step_s: float) -> None:
    wall, monotonic, utc = clocks()
    utc.advance(step_s)
    assert wall.check() == round(step_s * SECOND)
    assert monotonic() + wall.offset_ns == utc()
    assert wall.check() == 0


@given(st.lists(st.integers(-400 * MS, 400 * MS), max_size=20))
def test_slewing_is_followed_and_is_no_step(slews_ns: list[int]) -> None:
    wall, monotonic, utc = clocks()
    for slew_ns in slews_ns:
        utc.now_ns += slew_ns
        assert wall.check() == 0
    assert monotonic() + wall.offset_ns == utc()


def test_the_monotonic_time_is_the_middle_of_two_reads() -> None:
    monotonic = Clock(0)

    def slow() -> int:
        monotonic.now_ns += 10 * MS
        return monotonic.now_ns

    wall = WallClock(monotonic_ns=slow, utc_ns=lambda: UTC)
    assert wall.offset_ns == UTC - 15 * MS  # read at 10 and at 20 ms
