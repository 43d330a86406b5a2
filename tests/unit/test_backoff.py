"""The rationed back-off: when a device that fails may be opened again."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.backoff import RationedBackOff

# Seconds until a delegate fails, each time it is opened.
lives = st.lists(st.floats(0, 7200), min_size=1, max_size=60)
jitters = st.floats(0, 1, exclude_max=True)


def openings(back_off, lives):
    """Yield the start times of the openings so far, each as early as allowed."""
    now_s, starts = 0.0, []
    for life_s in lives:
        now_s = max(now_s, back_off.due_s)
        starts.append(now_s)
        back_off.opening(now_s)
        back_off.working(now_s)
        now_s += life_s
        back_off.failed(now_s)
        yield starts, now_s


@given(lives, jitters)
def test_openings_stay_within_their_budget(lives, jitter):
    back_off = RationedBackOff(budget=5, budget_s=1000.0, jitter=lambda: jitter)
    for starts, _ in openings(back_off, lives):
        assert len(starts) <= 5 or starts[-1] - starts[-6] >= 1000.0 - 1e-6


@given(lives, jitters)
def test_a_wait_is_at_least_half_the_first_and_limited(lives, jitter):
    back_off = RationedBackOff(
        first_s=2.0, longest_s=60.0, budget_s=100.0, jitter=lambda: jitter
    )
    for _, now_s in openings(back_off, lives):
        assert 1.0 - 1e-6 <= back_off.due_s - now_s <= 100.0 + 1e-6


@given(st.lists(st.floats(0, 599), min_size=2, max_size=20))
def test_a_delegate_that_fails_again_soon_waits_longer(lives):
    back_off = RationedBackOff(steady_s=600.0, jitter=lambda: 1.0, budget=1000)
    waits = [back_off.due_s - now_s for _, now_s in openings(back_off, lives)]
    for before, after in itertools.pairwise(waits):
        assert after == pytest.approx(min(2 * before, 600.0))


@given(st.integers(1, 40), jitters)
def test_after_steady_work_the_wait_is_the_first_again(failures, jitter):
    back_off = RationedBackOff(
        first_s=2.0, steady_s=600.0, jitter=lambda: jitter, budget=1000
    )
    for _, now_s in openings(back_off, [*[1.0] * failures, 601.0]):
        wait_s = back_off.due_s - now_s
    assert wait_s <= 2.0 + 1e-6


def test_a_failed_opening_does_not_count_as_steady_work():
    back_off = RationedBackOff(first_s=2.0, steady_s=10.0, jitter=lambda: 1.0)
    for now_s in (0.0, 1000.0):
        back_off.opening(now_s)
        back_off.failed(now_s)
    assert back_off.due_s == 1004.0
