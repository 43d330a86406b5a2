"""Rows that come by themselves: their times, and what did not come."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.acquisition.arrival_clock import ArrivalClock

SECOND = 1_000_000_000


def arrive(arrivals, *reads):
    """Let (rows, time in s) arrive; return the blocks."""
    return [
        arrivals.block([(0.0,)] * rows, round(at_s * SECOND), round(at_s * SECOND))
        for rows, at_s in reads
    ]


def last_s(block):
    return block.start_ns / SECOND + (len(block.samples) - 1) / block.rate_hz


@given(
    st.floats(0.1, 200),
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4), st.floats(0, 0.2))),
)
def test_every_row_is_returned_or_missed_once(rate_hz, reads):
    arrivals = ArrivalClock(rate_hz)
    begun_s = 1000.0
    arrive(arrivals, (1, begun_s))
    taken = told = 0
    for rows, lost, late in reads:
        taken += rows + lost
        [block] = arrive(arrivals, (rows, begun_s + (taken + late) / rate_hz))
        told += rows + block.missed
        assert told == taken
        assert block.rate_hz == pytest.approx(rate_hz)


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 40)), max_size=40))
def test_times_never_go_back_and_are_never_far_in_the_future(reads):
    arrivals, now_s = ArrivalClock(1.0), 1000.0
    [before] = arrive(arrivals, (1, now_s))
    for rows, later_s in reads:
        now_s += later_s
        [block] = arrive(arrivals, (rows, now_s))
        assert block.start_ns / SECOND > last_s(before) - 1e-6
        assert last_s(block) <= now_s + 8 + 1e-6
        assert block.age_ns >= 0
        before = block


def test_jitter_of_the_network_does_not_shake_the_times():
    late = [0.0, 0.4, 0.1, 0.3, 0.0, 0.2]
    blocks = arrive(ArrivalClock(1.0), *[(1, 1000 + i + d) for i, d in enumerate(late)])
    assert sum(block.missed for block in blocks) == 0
    steps = [b.start_ns - a.start_ns for a, b in pairwise(blocks)]
    assert all(0.75 * SECOND <= step <= 1.25 * SECOND for step in steps)


def test_what_was_only_held_up_is_not_missed():
    *_, block = arrive(ArrivalClock(1.0), (1, 1000), (5, 1005))
    assert (block.missed, block.start_ns) == (0, 1001 * SECOND)


def test_a_source_that_is_slower_than_it_should_be_has_rows_missing():
    blocks = arrive(ArrivalClock(1.0), *[(1, 1000 + i / 0.7) for i in range(71)])
    assert sum(block.missed for block in blocks) == pytest.approx(30, abs=6)


def test_a_source_that_is_faster_than_it_should_be_tells_its_rate():
    blocks = arrive(ArrivalClock(1.0), *[(1, 1000 + i / 3) for i in range(60)])
    assert blocks[-1].rate_hz > 1.2
    assert last_s(blocks[-1]) == pytest.approx(1000 + 59 / 3, abs=8)
