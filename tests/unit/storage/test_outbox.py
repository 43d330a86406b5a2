"""Pending rows: their time, order, bound and log lines."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, Clock

from sensorml.interfaces import Row
from sensorml.storage import outbox as module
from sensorml.storage.outbox import Outbox
from sensorml.storage.rows import AlarmRow, EventRow, PredictionRow


class Bench:
    """An outbox whose clock is set by the test."""

    def __init__(self) -> None:
        self.monotonic = Clock(5 * SECOND)
        self.urgent_calls = 0
        self.outbox = Outbox(urgent=self._urgent)

    def _urgent(self) -> None:
        self.urgent_calls += 1

    def predict(self, *windows: int) -> None:
        """Add windows that ended just now; `quality` numbers them."""
        self.outbox.predictions([_prediction(self.monotonic(), w) for w in windows])

    def event(self, **changes: object) -> None:
        fields = {"kind": "sensor", "subject": "motor", "state": "ok", **changes}
        self.outbox.event(at_ns=self.monotonic(), **fields)


def _prediction(end_ns: int, window: int) -> PredictionRow:
    row = dict.fromkeys(PredictionRow._fields)
    row |= {"start_ns": end_ns - SECOND, "end_ns": end_ns, "quality": window}
    return PredictionRow(**row)


def qualities(rows: Mapping[str, Sequence[Row]]) -> list[object]:
    return [row.quality for row in rows["prediction"]]


def test_rows_keep_monotonic_time() -> None:
    bench = Bench()
    bench.predict(1)
    bench.event()
    rows = bench.outbox.take()
    [prediction] = rows["prediction"]
    [event] = rows["event"]
    assert (prediction.start_ns, prediction.end_ns) == (4 * SECOND, 5 * SECOND)
    assert event.time_ns == 5 * SECOND


def test_what_was_taken_is_gone() -> None:
    bench = Bench()
    bench.predict(1)
    bench.outbox.take()
    assert bench.outbox.take() == {}


def test_an_alarm_and_an_event_become_rows() -> None:
    bench = Bench()
    bench.event(previous="stale", detail="loose wire", value=1.5)
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
    now_ns = bench.monotonic()
    assert bench.outbox.take() == {
        "event": [
            EventRow(
                time_ns=now_ns,
                kind="sensor",
                subject="motor",
                state="ok",
                previous="stale",
                detail="loose wire",
                value=1.5,
            )
        ],
        "alarm": [
            AlarmRow(
                time_ns=now_ns,
                alarm="bad",
                sensor="motor",
                model="m",
                state="alarm",
                previous="normal",
                reason="score 2 over 1",
                score=2.0,
                threshold=1.0,
            )
        ],
    }


def test_rows_put_back_come_first_next_time() -> None:
    bench = Bench()
    bench.predict(1, 2)
    rows = bench.outbox.take()
    bench.predict(3)
    bench.outbox.put_back(rows)
    assert qualities(bench.outbox.take()) == [1, 2, 3]


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
            rows = bench.outbox.take()
            assert len(rows.get("prediction", ())) <= 5
            if step == "fail":
                bench.predict(*range(made, made + n))
                made += n
                bench.outbox.put_back(rows)
            elif rows:
                stored += qualities(rows)
        rows = bench.outbox.take()
        stored += qualities(rows) if rows else []
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
    rows = bench.outbox.take()
    assert qualities(rows) == [3, 4]
    assert len(rows["event"]) == 5
    assert bench.outbox.dropped == 3


def test_an_event_is_urgent_and_a_prediction_is_not() -> None:
    bench = Bench()
    bench.predict(1)
    assert bench.urgent_calls == 0
    bench.event()
    assert bench.urgent_calls == 1


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
