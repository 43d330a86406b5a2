"""Levels piece by piece: stretches with no signal but noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.recordings.inspection.levels import Levels

ROWS = 300_000


def levels(x, block):
    found = Levels()
    steps = np.diff(x, prepend=x[0]).astype(np.float32)
    for first in range(0, len(x), block):
        found.add(x[first : first + block], steps[first : first + block])
    return found.quiet(slow=False)


@settings(max_examples=20, deadline=None)
@given(
    block=st.integers(500, 100_000),
    first=st.integers(0, ROWS - 20_000),
    rows=st.integers(5_000, 200_000),
)
def test_a_stretch_is_found_within_a_piece_whatever_the_blocks(block, first, rows):
    x = np.random.default_rng(0).normal(0, 1, ROWS)
    stop = min(first + rows, ROWS)
    x[first:stop] *= 1e-3
    [quiet] = levels(x, block)
    piece = 64 * 2 ** int(np.ceil(np.log2(ROWS / 64 / 2048)))
    assert quiet.first == pytest.approx(first, abs=2 * piece)
    assert quiet.last == pytest.approx(stop - 1, abs=2 * piece)
    assert quiet.times == pytest.approx(1000, rel=0.2)


def test_the_stretch_at_the_end_has_the_last_row():
    x = np.random.default_rng(0).normal(0, 1, 1000)
    x[500:] *= 1e-3
    [quiet] = levels(x, 1000)
    assert quiet.last == 999


def test_many_stretches_are_a_machine_that_is_switched_on_and_off():
    x = np.random.default_rng(0).normal(0, 1, ROWS)
    on = np.arange(ROWS) // 20_000 % 2
    assert levels(np.where(on, x, x * 1e-3), 65_536) == ()
