"""Short gaps: the rows that bridge them, and the windows that are judged with them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MS, FakeEngine, block, card

from sensorml.errors import OptionError
from sensorml.pipeline.bridge import Bridge, bridged
from sensorml.pipeline.model_card import Card, Missing
from sensorml.pipeline.pipeline import Pipeline
from sensorml.types import Block, State

ROWS = np.arange(1000)
TONES = np.stack([np.sin(ROWS / 4), 1 + 0.5 * np.cos(ROWS / 3)], 1).astype(np.float32)


def blocks(rows, first, missed, size=20):
    """Cut rows at 1 kHz into blocks, without `missed` rows from row `first` on."""
    whole = [(i, i + size, 0) for i in range(0, first, size)]
    whole[-1] = (whole[-1][0], first, 0)
    after = [
        (i, i + size, missed if i == first + missed else 0)
        for i in range(first + missed, len(rows), size)
    ]
    return [
        block(rows[a:b], start_ns=a * MS, missed=lost)
        for a, b, lost in whole + after
        if a < min(b, len(rows))
    ]


def filled(rows, most):
    bridge = Bridge(channels=rows[0].samples.shape[1], rows=most)
    return [bridge.fill(each) for each in rows]


@given(st.integers(100, 900), st.integers(1, 12))
def test_two_tones_and_their_times_continue_through_a_short_gap(first, missed):
    whole = filled(blocks(TONES, first, missed), 12)
    samples = np.concatenate([each.samples for each in whole])
    assert len(samples) == len(TONES)
    assert abs(samples - TONES).max() < 0.01
    assert [each.missed for each in whole] == [0] * len(whole)
    assert sum(each.bridged for each in whole) == missed
    rows = np.cumsum([0, *(len(each.samples) for each in whole[:-1])])
    assert [each.start_ns for each in whole] == [row * MS for row in rows]


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(16, 300))
def test_what_bridges_noise_is_no_louder_than_the_noise(seed, missed, known):
    noise = np.random.default_rng(seed).normal(size=(known + 20, 1)).astype(np.float32)
    between = bridged(noise[:known], noise[known:], missed)
    assert between.shape == (missed, 1)
    assert abs(between).max() <= 2 * abs(noise).max()


def test_a_constant_channel_stays_constant():
    still = np.full((300, 1), 9.81, np.float32)
    assert bridged(still[:280], still[280:], 5) == pytest.approx(9.81, abs=1e-4)


def test_clipped_rows_are_those_of_the_sensor():
    first = block(TONES[:100], start_ns=0)
    second = block(TONES[103:110], start_ns=103 * MS, missed=3, clipped=np.array([0]))
    [_, whole] = filled([first, second], 5)
    assert whole.clipped.tolist() == [3]


@pytest.mark.parametrize(("missed", "known"), [(6, 100), (1, 8)])
def test_a_gap_that_is_too_long_or_without_context_stays_a_gap(missed, known):
    first = block(TONES[:known], start_ns=0)
    second = block(TONES[known + missed :][:20], start_ns=0, missed=missed)
    [_, after] = filled([first, second], 5)
    assert after is second


def test_rows_from_before_a_long_gap_bridge_nothing():
    bridge = Bridge(channels=2, rows=5)
    bridge.fill(block(TONES[:100], start_ns=0))
    bridge.fill(block(TONES[200:205], start_ns=0, missed=100))
    later = block(TONES[207:220], start_ns=0, missed=2)
    assert bridge.fill(later) is later


def states(missing: Missing, *gaps: tuple[int, int]) -> list[tuple[State, float]]:
    """Judge windows of 50 rows without `missed` rows in the middle of some."""
    model = msgspec.structs.replace(card(window=50, hop=50), missing=missing)
    pipeline = Pipeline(model, FakeEngine())
    predictions = []
    for at, missed in gaps:
        parts = (
            block(np.zeros(25) + 0.1, start_ns=at * MS),
            block(
                np.zeros(25 - missed), start_ns=(at + 25 + missed) * MS, missed=missed
            ),
        )
        for part in parts:
            predictions += pipeline.step(part)
    return [(p.state, p.quality) for p in predictions]


def test_windows_are_judged_with_as_many_missing_rows_as_the_card_allows():
    assert states(Missing(rows=3), (0, 0), (50, 3)) == [
        (State.NORMAL, 1.0),
        (State.NORMAL, 47 / 50),
    ]


def test_a_window_that_lacks_one_row_more_is_unknown():
    # The gap is not bridged, so the window ends in the next block, with its rows.
    first, second = states(Missing(rows=3), (0, 0), (50, 4), (100, 0))
    assert first == (State.NORMAL, 1.0)
    assert second == (State.UNKNOWN, 50 / 54)


def test_without_the_table_every_missing_row_counts():
    _, second = states(Missing(), (0, 0), (50, 1), (100, 0))
    assert second == (State.UNKNOWN, 50 / 51)


def test_two_gaps_in_one_window_add_up():
    pipeline = Pipeline(
        msgspec.structs.replace(card(window=50, hop=50), missing=Missing(rows=3)),
        FakeEngine(),
    )
    parts: list[Block] = [
        block(np.zeros(20), start_ns=0),
        block(np.zeros(10), start_ns=22 * MS, missed=2),
        block(np.zeros(16), start_ns=34 * MS, missed=2),
    ]
    [window] = [p for part in parts for p in pipeline.step(part)]
    assert (window.state, window.quality) == (State.UNKNOWN, 46 / 50)


def test_a_card_that_does_without_more_than_half_a_window_is_refused():
    fields = msgspec.structs.asdict(card(window=50)) | {"missing": Missing(rows=26)}
    with pytest.raises(OptionError, match=r"missing\.rows 26 is more than half"):
        Card(**fields)
