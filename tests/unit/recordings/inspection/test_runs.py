"""Runs of identical values, against the same counted one by one."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.recordings.inspection.runs import LONG, Runs


@st.composite
def lengths(draw: st.DrawFn) -> list[int]:
    """Lengths of runs, most of them short."""
    short = st.integers(1, 20)
    return draw(st.lists(st.one_of(short, st.integers(1, 3000)), min_size=1))


def runs_of(lengths: list[int], block: int) -> Runs:
    values = np.repeat(np.arange(len(lengths)), lengths)
    changed = np.diff(values, prepend=-1) != 0
    runs = Runs()
    for first in range(0, len(changed), block):
        runs.add(changed[first : first + block])
    runs.finish()
    return runs


@settings(max_examples=100)
@given(lengths(), st.integers(1, 5000), st.integers(LONG, 2000))
def test_runs_do_not_depend_on_the_blocks(lengths, block, least):
    runs = runs_of(lengths, block)
    firsts = [0, *itertools.accumulate(lengths)]
    long = [pair for pair in zip(firsts, lengths, strict=False) if pair[1] >= least]
    assert [tuple(run) for run in runs.of_at_least(least)] == long
    assert runs.rows_in(least) == sum(rows for _, rows in long)
    assert runs.longest_below(least) == max(
        (rows for rows in lengths if rows < least), default=1
    )


@given(lengths())
def test_the_usual_run_is_that_of_the_middle_row(lengths):
    each_row = sorted(rows for rows in lengths for _ in range(rows))
    usual = runs_of(lengths, 1000).usual()
    assert usual == each_row[(len(each_row) - 1) // 2]


@given(lengths(), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_one_of_the_lengths_and_not_exceeded_by_its_share(lengths, share):
    length = runs_of(lengths, 1000).quantile(share)
    assert length in lengths
    assert np.mean(np.array(lengths) <= length) >= share
    assert np.mean(np.array(lengths) < length) <= share
