"""The limit of rows about one thing that comes and goes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support import SECOND

from sensorml.storage.change_limit import (
    CHANGE_EVERY_NS,
    CHANGES_AT_ONCE,
    ChangeLimit,
    Report,
)


def test_a_dozen_changes_are_reported_at_once_and_then_their_number() -> None:
    limit = ChangeLimit("off")
    reports = []
    for n in range(20):
        limit.count()
        reports.append(limit.due("off" if n % 2 else "on", n))
    assert [report is not None for report in reports] == [True] * 12 + [False] * 8
    assert reports[:2] == [Report("off", 1), Report("on", 1)]
    assert limit.due("off", CHANGE_EVERY_NS - 1) is None
    assert limit.due("off", CHANGE_EVERY_NS) == Report("off", 8)
    assert limit.due("off", 2 * CHANGE_EVERY_NS) is None, "nothing is new"


def test_what_is_not_yet_reported_can_be_taken_at_the_end() -> None:
    limit = ChangeLimit("off")
    assert limit.rest("off") is None
    for _ in range(CHANGES_AT_ONCE + 3):
        limit.count()
        limit.due("on", 0)
    assert limit.rest("off") == Report("on", 3)
    assert limit.rest("off") is None


@given(
    st.lists(
        st.tuples(st.integers(0, 90 * SECOND), st.sampled_from("abc")), max_size=99
    )
)
def test_no_change_is_left_out_of_the_numbers(moves: list[tuple[int, str]]) -> None:
    limit, now_ns, state, changes, reports = ChangeLimit("a"), 0, "a", 0, []
    for after_ns, new in moves:
        now_ns += after_ns
        if new != state:
            state = new
            changes += 1
            limit.count()
        if report := limit.due(state, now_ns):
            reports.append((report, state))
    assert len(reports) <= CHANGES_AT_ONCE + now_ns // CHANGE_EVERY_NS
    if report := limit.rest(state):
        reports.append((report, state))
    assert sum(report.changes for report, _ in reports) == changes
    assert all(a[1] == b[0].previous for a, b in pairwise(reports))
