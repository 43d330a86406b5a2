"""Rows that wait: their time, their order, their bound, their words in the log."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, Clock

from sensorml.clock import WallClock
from sensorml.interfaces import Row
from sensorml.storage import outbox as module
from sensorml.storage.outbox import Outbox
from sensorml.storage.tables import COLUMNS

UTC = 1_700_000_000 * SECOND


class Bench:
    """An outbox whose clocks are told the time."""

    def __init__(self) -> None:
        self.monotonic, self.utc = Clock(5 * SECOND), Clock(UTC)
        self.hurried = 0
        wall = WallClock(monotonic_ns=self.monotonic, utc_ns=self.utc)
        self.outbox = Outbox(wall, urgent=self._hurry)

    def _hurry(self) -> None:
        self.hurried += 1

    def predict(self, *windows: int) -> None:
        """Add windows that ended just now; `quality` says which they are."""
        at_ns = self.monotonic()
        self.outbox.predictions(
            lambda offset_ns: [_prediction(at_ns + offset_ns, w) for w in windows]
        )

    def event(self, **changes: object) -> None:
        fields = {"kind": "sensor", "subject": "motor", "state": "ok", **changes}
        self.outbox.event(at_ns=self.monotonic(), **fields)


def _prediction(end_ns: int, window: int) -> Row:
    row = dict.fromkeys(COLUMNS["prediction"])
    row |= {"start_ns": end_ns - SECOND, "end_ns": end_ns, "quality": window}
    return tuple(row.values())


def column(rows: object, kind: str, name: str) -> list[object]:
    return [row[COLUMNS[kind].index(name)] for row in rows[kind]]


def test_rows_carry_wall_time() -> None:
    bench = Bench()
    bench.predict(1)
    bench.event()
    rows, moved_ns = bench.outbox.take()
    assert moved_ns == 0
    assert column(rows, "prediction", "end_ns") == [UTC]
    assert column(rows, "prediction", "start_ns") == [UTC - SECOND]
    assert column(rows, "event", "time_ns") == [UTC]


def test_what_was_taken_is_gone() -> None:
    bench = Bench()
    bench.predict(1)
    bench.outbox.take()
    assert bench.outbox.take() == ({}, 0)


def test_every_kind_of_row_has_the_columns_of_the_journal() -> None:
    bench = Bench()
    bench.event(previous="stale", detail="why", value=1.5)
    bench.outbox.alarm(
        bench.monotonic(),
        alarm="bad",
        sensor="motor",
        model="m",
        state="alarm",
        previous="normal",
        reason="score 2 over 1",
        score=2.0,
        threshold=1.0,
    )
    rows, _ = bench.outbox.take()
    assert dict(zip(COLUMNS["event"], rows["event"][0], strict=True)) == {
        "time_ns": UTC,
        "kind": "sensor",
        "subject": "motor",
        "state": "ok",
        "previous": "stale",
        "detail": "why",
        "value": 1.5,
    }
    assert dict(zip(COLUMNS["alarm"], rows["alarm"][0], strict=True)) == {
        "time_ns": UTC,
        "alarm": "bad",
        "sensor": "motor",
        "model": "m",
        "state": "alarm",
        "previous": "normal",
        "reason": "score 2 over 1",
        "score": 2.0,
        "threshold": 1.0,
    }


def test_rows_from_before_a_step_are_taken_with_the_time_after_it() -> None:
    bench = Bench()
    bench.predict(1)
    bench.event(value=3.0)
    bench.utc.advance(86_400)
    rows, moved_ns = bench.outbox.take()
    assert moved_ns == 86_400 * SECOND
    assert column(rows, "prediction", "end_ns") == [UTC + moved_ns]
    assert column(rows, "prediction", "start_ns") == [UTC + moved_ns - SECOND]
    assert column(rows, "event", "time_ns") == [UTC + moved_ns]
    assert column(rows, "event", "value") == [3.0]
    bench.predict(2)
    rows, moved_ns = bench.outbox.take()
    assert moved_ns == 0
    assert column(rows, "prediction", "end_ns") == [UTC + 86_400 * SECOND]


def test_durations_are_not_times() -> None:
    bench = Bench()
    at_ns = bench.monotonic()
    bench.outbox.timing(
        lambda offset_ns: [
            (
                at_ns + offset_ns,
                at_ns + offset_ns,
                "s",
                "m",
                "cpu",
                "invoke",
                1,
                9,
                9,
                9,
                9,
            )
        ]
    )
    bench.utc.advance(60)
    rows, moved_ns = bench.outbox.take()
    assert column(rows, "timing", "time_ns") == [UTC + moved_ns]
    assert column(rows, "timing", "p50_ns") == [9]


def test_rows_put_back_go_first_next_time_and_are_moved_by_later_steps_only() -> None:
    bench = Bench()
    bench.predict(1, 2)
    bench.utc.advance(10)
    rows, _ = bench.outbox.take()
    bench.predict(3)
    bench.outbox.put_back(rows)
    bench.utc.advance(100)
    rows, _ = bench.outbox.take()
    assert column(rows, "prediction", "quality") == [1, 2, 3]
    assert set(column(rows, "prediction", "end_ns")) == {UTC + 110 * SECOND}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.just(0)),
            # Rows that are added, also while others are being stored in vain.
            st.tuples(st.sampled_from(["add", "fail"]), st.integers(1, 4)),
        )
    )
)
def test_however_often_storing_fails_the_newest_rows_are_left_in_order(steps) -> None:
    bench = Bench()
    limit, module.MAX_PREDICTIONS = module.MAX_PREDICTIONS, 5
    try:
        made = 0
        stored: list[object] = []
        for step, n in steps:
            if step == "add":
                bench.predict(*range(made, made + n))
                made += n
                continue
            rows, _ = bench.outbox.take()
            assert len(rows.get("prediction", ())) <= 5
            if step == "fail":
                bench.predict(*range(made, made + n))
                made += n
                bench.outbox.put_back(rows)
            elif rows:
                stored += column(rows, "prediction", "quality")
        rows, _ = bench.outbox.take()
        stored += column(rows, "prediction", "quality") if rows else []
        assert stored == sorted(stored)
        assert len(stored) + bench.outbox.dropped == made
        assert not made or stored[-1] == made - 1
    finally:
        module.MAX_PREDICTIONS = limit


def test_alarms_and_events_are_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PREDICTIONS", 2)
    bench = Bench()
    for i in range(5):
        bench.predict(i)
        bench.event()
    rows, _ = bench.outbox.take()
    assert column(rows, "prediction", "quality") == [3, 4]
    assert len(rows["event"]) == 5
    assert bench.outbox.dropped == 3


def test_people_are_not_kept_waiting_for_what_concerns_them() -> None:
    bench = Bench()
    bench.predict(1)
    assert bench.hurried == 0
    bench.event()
    assert bench.hurried == 1


@pytest.mark.parametrize(
    ("state", "level"),
    [("ok", logging.INFO), ("stale", logging.WARNING), ("failed", logging.WARNING)],
)
def test_an_event_is_a_line_of_the_log(state, level, caplog) -> None:
    caplog.set_level(logging.INFO, "sensorml")
    Bench().event(state=state, previous="absent", detail="why")
    [record] = caplog.records
    assert record.levelno == level
    assert record.getMessage() == f"sensor motor: absent → {state}: why"
