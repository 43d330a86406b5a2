"""One alarm with its line and its rows, without a monitor."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MS, SECOND, block, prediction

from sensorml.alarms.channel import AlarmChannel
from sensorml.alarms.logic import Signal
from sensorml.config.tables import Alarm, When
from sensorml.errors import BusError
from sensorml.storage.change_limit import CHANGE_EVERY_NS, CHANGES_AT_ONCE
from sensorml.storage.outbox import Outbox
from sensorml.storage.rows import AlarmRow, EventRow


class FakeLine:
    """A line that records its signals and can fail."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.failing = False

    def set(self, signal: Signal) -> None:
        if self.failing:
            raise BusError("GPIO 17: no access")
        self.signals.append(signal)


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(urgent=lambda: None)


def model_alarm(outbox: Outbox, line: FakeLine) -> AlarmChannel:
    rule = Alarm(name="bad", model="wear", of=(1, 1), clear_after_s=0.0)
    return AlarmChannel(rule, outbox, sensor="motor", line=line)


def judge(channel: AlarmChannel, *scores: float) -> None:
    for score in scores:
        channel.judge(prediction(score))


def test_a_line_is_only_set_to_a_new_signal(outbox: Outbox, line: FakeLine) -> None:
    channel = model_alarm(outbox, line)
    for score in (0.0, 0.0, 5.0, 5.0, 0.0, 0.0):
        judge(channel, score)
        channel.drive()
    assert line.signals == [Signal.OFF, Signal.ALARM, Signal.OFF]


def test_a_line_that_fails_is_reported_once_and_tried_until_it_works(
    outbox: Outbox, line: FakeLine
) -> None:
    channel = model_alarm(outbox, line)
    judge(channel, 0.0)
    line.failing = True
    judge(channel, 5.0, 5.0, 5.0)
    channel.drive()
    line.failing = False
    channel.drive()
    assert line.signals == [Signal.OFF, Signal.ALARM]
    events = [EventRow(*row) for row in outbox.take()["event"]]
    assert [(e.kind, e.subject, e.state, e.previous, e.detail) for e in events] == [
        ("gpio", "bad", "failed", "ok", "GPIO 17: no access"),
        ("gpio", "bad", "ok", "failed", ""),
    ]


def test_every_value_of_a_contact_counts_at_its_time(
    outbox: Outbox, line: FakeLine
) -> None:
    rule = Alarm(name="open", sensor="door", when=When(equals=1))
    channel = AlarmChannel(rule, outbox, sensor="door", line=line)
    channel.read(block([0, 1, 0], start_ns=SECOND, rate_hz=100.0))
    rows = [AlarmRow(*row) for row in outbox.take()["alarm"]]
    assert [(row.time_ns, row.state) for row in rows] == [
        (SECOND, "normal"),
        (SECOND + 10 * MS, "alarm"),
        (SECOND + 20 * MS, "normal"),
    ]
    assert {(row.sensor, row.model, row.score) for row in rows} == {("door", "", None)}


def test_a_channel_without_values_makes_an_alarm_of_a_sensor_unknown(
    outbox: Outbox, line: FakeLine
) -> None:
    rule = Alarm(name="hot", sensor="oven", when=When(above=80.0))
    channel = AlarmChannel(rule, outbox, sensor="oven", line=line)
    channel.read(block([20.0]))
    channel.read(block([float("nan")]))
    assert channel.logic.state == "unknown"


@given(st.lists(st.tuples(st.integers(0, 20 * SECOND), st.booleans()), max_size=150))
def test_a_line_follows_every_change_of_an_alarm_whose_rows_are_limited(moves) -> None:
    outbox, line = Outbox(urgent=lambda: None), FakeLine()
    rule = Alarm(name="open", sensor="door", when=When(equals=1))
    channel = AlarmChannel(rule, outbox, sensor="door", line=line)
    now_ns, values = SECOND, []
    for after_ns, value in moves:
        now_ns += after_ns
        values.append(value)
        channel.read(block([value], start_ns=now_ns))
        channel.report(now_ns)
    channel.report_rest()
    signals = [Signal.ALARM if value else Signal.OFF for value in values]
    changes = [signal for signal, _ in groupby(signals)]
    assert line.signals == changes
    rows = [AlarmRow(*row) for row in outbox.take().get("alarm", [])]
    assert len(rows) <= CHANGES_AT_ONCE + now_ns // CHANGE_EVERY_NS + 1
    assert [row.previous for row in rows[1:]] == [row.state for row in rows[:-1]]
    if changes:
        assert rows[-1].state == ("alarm" if values[-1] else "normal")


def test_an_alarm_that_flaps_is_written_down_once_a_minute(
    outbox: Outbox, line: FakeLine
) -> None:
    channel = model_alarm(outbox, line)
    for n in range(600):
        channel.judge(prediction(5.0 if n % 2 == 0 else 0.0, end_ns=n * SECOND))
        channel.report(n * SECOND)
    rows = [AlarmRow(*row) for row in outbox.take()["alarm"]]
    assert len(line.signals) == 600
    assert len(rows) == CHANGES_AT_ONCE + 9
    assert rows[-1].reason == (
        "score 5 is over the threshold 1; 60 changes since the last event"
    )
    assert (rows[-1].time_ns, rows[-1].score) == (540 * SECOND, 5.0)
    channel.report_rest()
    [last] = [AlarmRow(*row) for row in outbox.take()["alarm"]]
    assert (last.state, last.time_ns) == ("normal", 599 * SECOND)
