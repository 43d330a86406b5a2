"""Rows that repeat the row before them, counted over blocks of any size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import block

from sensorml.acquisition.duplicates import DuplicateCounter

ROWS = st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 1.0])] * 2), min_size=1)


def counted(*blocks) -> list[int]:
    repeats = DuplicateCounter()
    return [repeats.counted(each).duplicated for each in blocks]


@given(ROWS, st.lists(st.integers(1, 5), min_size=1))
def test_the_count_does_not_depend_on_how_the_rows_were_cut(rows, sizes) -> None:
    table = np.array(rows, np.float32)
    cuts = [cut for cut in np.cumsum(sizes) if cut < len(rows)]
    blocks = [block(each) for each in np.split(table, cuts)]
    bits = [row.tobytes() for row in table]
    assert sum(counted(*blocks)) == sum(a == b for a, b in pairwise(bits))


@given(ROWS, st.lists(st.integers(1, 5), min_size=1), st.integers(2, 6))
def test_frozen_is_a_newest_row_that_has_come_so_often(rows, sizes, limit) -> None:
    table = np.array(rows, np.float32)
    cuts = [cut for cut in np.cumsum(sizes) if cut < len(rows)]
    bits = [row.tobytes() for row in table]
    repeats = DuplicateCounter(limit)
    for end in [*cuts, len(rows)]:
        begin = max(cut for cut in [0, *cuts] if cut < end)
        last = bits[max(0, end - limit) : end]
        wanted = len(last) == limit and len(set(last)) == 1
        assert repeats.counted(block(table[begin:end])).frozen is wanted


def test_a_gap_begins_the_run_anew() -> None:
    repeats = DuplicateCounter(3)
    given = [block([5, 5]), block([5, 5], missed=1), block([5])]
    assert [repeats.counted(each).frozen for each in given] == [False, False, True]


def test_without_a_limit_nothing_is_frozen() -> None:
    assert not DuplicateCounter().counted(block([5] * 1000)).frozen


def test_one_channel_that_moves_is_no_repeat() -> None:
    assert counted(block([[1, 2], [1, 3], [1, 3]])) == [1]


def test_a_row_after_a_gap_repeats_nothing() -> None:
    assert counted(block([5]), block([5], missed=1), block([5])) == [0, 0, 1]


def test_a_missing_value_that_stays_missing_is_a_repeat() -> None:
    assert counted(block([np.nan]), block([np.nan])) == [0, 1]


def test_rows_that_lie_column_by_column_are_counted_by_row() -> None:
    columns = np.array([[1, 1, 2], [4, 4, 4]], np.float32)
    assert counted(block(columns.T)) == [1]


def test_a_block_without_repeats_is_passed_on_as_it_is() -> None:
    given = block([1, 2, 3], missed=4)
    assert DuplicateCounter().counted(given) is given
