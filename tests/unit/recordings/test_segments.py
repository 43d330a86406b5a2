"""Gaps between the times of rows, in contrast to late reads and rounding."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.recordings.segments import segments

NOON = 1_700_000_000_000_000_000


def stamped(
    rng: np.random.Generator, rows: int, period_ns: float, gaps: dict[int, int]
) -> np.ndarray:
    """Return times of a polled sensor: one in ten rows is late, the next catches up."""
    lost = np.zeros(rows)
    lost[list(gaps)] = list(gaps.values())
    taken = (np.arange(rows) + np.cumsum(lost)) * period_ns
    late = rng.exponential(2, rows).clip(max=6) * (rng.random(rows) < 0.1) * period_ns
    for row in gaps:  # what is late just before a gap looks like a part of it
        late[row - 8 : row + 1] = 0
    return NOON + np.maximum.accumulate(taken + late).astype(np.int64)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    rate_hz=st.sampled_from([1.0, 100.0, 333.0, 800.0, 26_667.0]),
    places=st.lists(st.integers(2, 48), unique=True, max_size=5),
    missed=st.integers(1, 500),
)
def test_inserted_gaps_are_found_in_inserted_jitter(
    seed: int, rate_hz: float, places: list[int], missed: int
):
    gaps = {40 * place: missed for place in sorted(places)}
    rng = np.random.default_rng(seed)
    found = segments(stamped(rng, 2000, 1e9 / rate_hz, gaps))
    assert {s.first: s.missed for s in found if s.missed} == gaps
    for segment in found:
        lost = sum(m for row, m in gaps.items() if row <= segment.first)
        taken = NOON + (segment.first + lost) * 1e9 / rate_hz
        assert abs(segment.start_ns - taken) < 2e9 / rate_hz
        assert segment.rate_hz == pytest.approx(rate_hz, rel=0.01)


@pytest.mark.parametrize("rate_hz", [800.0, 3200.0])
def test_rounding_to_milliseconds_is_not_a_gap(rate_hz: float):
    exact = np.arange(20_000) * 1e9 / rate_hz
    found = segments((np.floor(exact / 1e6) * 1e6).astype(np.int64))
    assert [s.missed for s in found] == [0]
    assert found[0].rate_hz == pytest.approx(rate_hz, rel=1e-5)


def test_a_burst_with_one_time_is_not_a_gap():
    burst_ends = (np.arange(10_000) // 25 + 1) * 25
    found = segments((burst_ends * 1_250_000).astype(np.int64))
    assert [s.missed for s in found] == [0]
    assert found[0].rate_hz == pytest.approx(800, rel=1e-3)


def test_a_clock_that_drifts_is_followed():
    rows = np.arange(300_000)
    exact = rows * 1e6 * (1 + 5e-4 * rows / len(rows))
    found = segments(exact.astype(np.int64))
    assert not any(s.missed for s in found)
    assert max(abs(s.start_ns - exact[s.first]) for s in found) < 1e7
    assert found[-1].rate_hz < found[0].rate_hz


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    piece=st.integers(1, 700),
    places=st.lists(st.integers(2, 48), unique=True, max_size=8),
    together=st.sampled_from([1, 5]),
)
def test_the_size_of_a_piece_does_not_change_the_result(
    seed: int, piece: int, places: list[int], together: int
):
    gaps = {40 * place: 3 for place in sorted(places)}
    t_ns = stamped(np.random.default_rng(seed), 2000, 1.25e6, gaps)
    t_ns = np.repeat(t_ns, together)
    whole = segments(t_ns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sensorml.recordings.segments._PIECE", piece)
        assert segments(t_ns) == whole


def test_the_memory_beside_the_times_does_not_grow_with_them():
    peaks = []
    for rows in (500_000, 4_000_000):
        t_ns = np.arange(rows) * 312_500
        tracemalloc.start()
        assert segments(t_ns)[0].rate_hz == pytest.approx(3200)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**20
