"""One alarm with its line and its rows, without a monitor."""

from __future__ import annotations

import pytest
from support import MS, SECOND, block, prediction

from sensorml.alarms.channel import AlarmChannel
from sensorml.alarms.logic import Signal
from sensorml.config.tables import Alarm, When
from sensorml.errors import BusError
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
