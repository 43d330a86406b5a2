"""The inbox between bus threads and the pipeline."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from scripted_bus import blocks, drained
from support import block

from sensorml.acquisition.inbox import (
    MAX_PATIENT_BLOCKS,
    Acknowledge,
    Inbox,
    Reading,
    Started,
)
from sensorml.errors import BusError


def reading(sensor: str = "a", rows: int = 1, missed: int = 0) -> Reading:
    return Reading(sensor, 0, block([0.0] * rows, missed=missed))


class TestInbox:
    def test_readings_come_out_in_the_order_they_went_in(self) -> None:
        inbox = Inbox()
        given = [
            reading(),
            Reading("b", 1, BusError("gone")),
            Reading("a", 2, Started("odd")),
        ]
        for each in given:
            inbox.put(each)
        assert drained(inbox) == given

    def test_a_slow_reader_loses_the_oldest_and_counts_them(self) -> None:
        inbox = Inbox(capacity=2)
        for rows in (3, 4, 5, 6):
            inbox.put(reading(rows=rows))
        left = blocks(drained(inbox), "a")
        assert [len(each.samples) for each in left] == [5, 6]
        assert [each.missed for each in left] == [7, 0]
        assert inbox.dropped_rows == 7

    def test_only_the_sensor_that_lost_rows_has_a_gap(self) -> None:
        inbox = Inbox(capacity=2)
        for sensor in ("a", "b", "b", "a"):
            inbox.put(reading(sensor, rows=2))
        left = drained(inbox)
        assert [(r.sensor, r.content.missed) for r in left] == [("b", 2), ("a", 2)]

    def test_failures_and_buttons_are_never_dropped(self) -> None:
        inbox = Inbox(capacity=2)
        inbox.put(Reading("a", 0, BusError("gone")))
        inbox.put(Reading("", 0, Acknowledge("bad")))
        inbox.put(reading())
        inbox.put(reading())
        whats = [type(r.content) for r in drained(inbox)]
        assert whats[:2] == [BusError, Acknowledge]

    @given(
        st.integers(1, 4),
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.integers(0, 3))
        ),
    )
    def test_no_row_is_lost_uncounted(self, capacity, readings) -> None:
        inbox = Inbox(capacity)
        for sensor, rows, missed in readings:
            inbox.put(reading(sensor, rows, missed))
        left = drained(inbox)
        assert len(left) == min(len(readings), capacity)
        for sensor in "ab":
            taken = sum(rows + missed for s, rows, missed in readings if s == sensor)
            found = blocks(left, sensor)
            if found:
                assert taken == sum(len(b.samples) + b.missed for b in found)

    def test_a_source_that_can_wait_waits_for_the_reader(self) -> None:
        inbox = Inbox()
        for _ in range(MAX_PATIENT_BLOCKS):
            inbox.put(reading(), wait=True)
        writer = threading.Thread(
            target=inbox.put, args=(reading("late"),), kwargs={"wait": True}
        )
        writer.start()
        first = inbox.get(10)
        writer.join(10)
        assert first is not None
        assert first.sensor == "a"
        assert [r.sensor for r in drained(inbox)][-1] == "late"
        assert inbox.dropped_rows == 0

    def test_closing_lets_a_waiting_source_go(self) -> None:
        inbox = Inbox()
        for _ in range(MAX_PATIENT_BLOCKS):
            inbox.put(reading())
        writer = threading.Thread(
            target=inbox.put, args=(reading("late"),), kwargs={"wait": True}
        )
        writer.start()
        inbox.close()
        writer.join(10)
        assert not writer.is_alive()
        assert len(drained(inbox)) == MAX_PATIENT_BLOCKS + 1

    def test_a_reader_that_waits_is_woken_by_the_close(self) -> None:
        inbox = Inbox()
        got: list[Reading | None] = []
        reader = threading.Thread(target=lambda: got.append(inbox.get(60)))
        reader.start()
        inbox.close()
        reader.join(10)
        assert got == [None]

    def test_it_is_not_drained_before_it_is_closed(self) -> None:
        inbox = Inbox()
        assert inbox.get(0) is None
        assert not inbox.drained
