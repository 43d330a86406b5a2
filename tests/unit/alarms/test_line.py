"""Lines that change with time, on fake outputs and a fake clock."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MS, SECOND, Clock

from sensorml.alarms.line import AlarmLine
from sensorml.alarms.logic import Signal
from sensorml.alarms.pattern import Pattern, pattern_of
from sensorml.alarms.timer import RETRY_NS, Heartbeat, LineTimer, WatchedContact
from sensorml.config.tables import Alarm
from sensorml.errors import BusError, Reason
from sensorml.gpio.contact import LOOK_NS
from sensorml.storage.change_limit import CHANGES_AT_ONCE

BLINK = Pattern(on_ns=300 * MS, off_ns=700 * MS)


class FakeOutput:
    """An output that records its levels and can fail."""

    def __init__(self) -> None:
        self.levels: list[bool] = []
        self.failing = False
        self.changed = threading.Event()

    def set(self, on: bool) -> None:
        if self.failing:
            raise BusError("GPIO 17: no access")
        self.levels.append(on)
        self.changed.set()


class Bench:
    """An alarm's line and a heartbeat, and the timer that comes back to them."""

    def __init__(self, pattern: Pattern = BLINK) -> None:
        self.clock = Clock()
        self.timer = LineTimer(self.clock)
        self.lamp, self.beat = FakeOutput(), FakeOutput()
        self.blocks = 0
        self.reports: list[tuple[str, str, str]] = []
        self.line = AlarmLine(
            "bad", self.lamp, pattern, wake=self.timer.wake, clock=self.clock
        )
        self.timer.add(self.line)

    def add_heartbeat(self) -> None:
        self.timer.add(
            Heartbeat(self.beat, lambda: self.blocks, period_s=1.0, timeout_s=3.0)
        )

    def advance(self) -> int | None:
        return self.timer.advance(lambda *report: self.reports.append(report))

    def run_for(self, seconds: float, *, blocks: int = 0) -> None:
        """Let time pass in steps of 50 ms, with `blocks` new blocks in each."""
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
            self.blocks += blocks
            self.advance()


@pytest.mark.parametrize(
    ("rules", "pattern"),
    [
        ({}, Pattern()),
        ({"pattern": "level", "pulse_s": 9.0}, Pattern()),
        ({"pattern": "blink"}, Pattern(500 * MS, 500 * MS)),
        ({"pattern": "blink", "blink_s": (0.1, 2.0)}, Pattern(100 * MS, 2 * SECOND)),
        ({"pattern": "pulse"}, Pattern(SECOND)),
        ({"pattern": "pulse", "pulse_s": 0.25}, Pattern(250 * MS)),
    ],
)
def test_an_alarm_has_the_pattern_that_it_names(rules, pattern) -> None:
    assert pattern_of(Alarm(name="a", model="m", **rules)) == pattern


@given(
    st.integers(1, 50),
    st.none() | st.integers(1, 50),
    st.integers(0, 500),
)
def test_a_level_holds_until_the_time_that_is_returned(on_ns, off_ns, since_ns) -> None:
    pattern = Pattern(on_ns, off_ns)

    def level(at_ns: int) -> bool:
        return at_ns < on_ns if off_ns is None else at_ns % (on_ns + off_ns) < on_ns

    step = pattern.at(since_ns)
    assert step.on == level(since_ns)
    if step.until_ns is None:
        assert not any(level(at) for at in range(since_ns, 600))
    else:
        assert {level(at) for at in range(since_ns, step.until_ns)} == {step.on}
        assert level(step.until_ns) != step.on


def test_a_line_has_changed_when_it_was_set() -> None:
    bench = Bench()
    bench.line.set(Signal.OFF)
    bench.line.set(Signal.ALARM)
    assert bench.lamp.levels == [False, True]


def test_an_alarm_blinks_from_the_time_of_its_signal() -> None:
    bench = Bench()
    bench.line.set(Signal.ALARM)
    due = [bench.advance()]
    for _ in range(3):
        bench.clock.now_ns = due[-1]
        due.append(bench.advance())
    assert bench.lamp.levels == [True, False, True, False]
    start_ns = due[0] - 300 * MS
    assert [at - start_ns for at in due] == [300 * MS, SECOND, 1300 * MS, 2 * SECOND]


def test_a_late_thread_does_not_shift_the_blinking() -> None:
    bench = Bench()
    start_ns = bench.clock()
    bench.line.set(Signal.ALARM)
    bench.clock.advance(1.25)
    assert bench.advance() == start_ns + 1300 * MS
    assert bench.lamp.levels == [True]


def test_a_line_stops_blinking_when_the_alarm_is_over() -> None:
    bench = Bench()
    bench.line.set(Signal.ALARM)
    bench.run_for(0.5)
    bench.line.set(Signal.OFF)
    assert bench.advance() is None
    bench.run_for(5)
    assert bench.lamp.levels == [True, False, False]


def test_the_line_of_a_blind_alarm_is_on_and_does_not_blink() -> None:
    bench = Bench()
    bench.line.set(Signal.SAFE)
    assert bench.advance() is None
    bench.run_for(5)
    assert bench.lamp.levels == [True]


def test_a_pulse_comes_once_for_every_alarm() -> None:
    bench = Bench(Pattern(on_ns=500 * MS))
    for _ in range(2):
        bench.line.set(Signal.ALARM)
        bench.run_for(3)
        bench.line.set(Signal.OFF)
    assert bench.lamp.levels == [True, False, False] * 2


def test_the_heartbeat_toggles_while_blocks_arrive() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.run_for(3, blocks=1)
    assert bench.beat.levels == [True, False, True, False, True, False]


def test_the_heartbeat_is_still_before_the_first_block() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.run_for(5)
    assert bench.beat.levels == []


def test_the_heartbeat_stops_without_blocks_and_goes_on_with_them() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.run_for(2, blocks=1)
    bench.run_for(10)
    stopped = len(bench.beat.levels)
    assert stopped <= 4 + 7  # 3 s of time-out
    bench.run_for(10)
    assert len(bench.beat.levels) == stopped
    bench.run_for(1, blocks=1)
    assert len(bench.beat.levels) == stopped + 2


def test_a_signal_does_not_hurry_the_heartbeat() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.blocks = 1
    for signal in [Signal.ALARM, Signal.OFF] * 5:
        bench.line.set(signal)
        bench.advance()
    assert bench.beat.levels == [True]


def test_a_line_that_fails_is_reported_once_and_stops_no_other() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.line.set(Signal.ALARM)
    bench.lamp.failing = True
    bench.run_for(2, blocks=1)
    assert bench.reports == [("bad", "failed", "GPIO 17: no access")]
    assert len(bench.beat.levels) == 4
    assert bench.lamp.levels == [True]
    bench.lamp.failing = False
    bench.run_for(2, blocks=1)
    assert bench.reports[1:] == [("bad", "ok", "")]
    assert set(bench.lamp.levels[1:]) == {True, False}


def test_a_line_that_cannot_be_driven_is_tried_again_after_a_second() -> None:
    bench = Bench()
    bench.line.set(Signal.ALARM)
    bench.lamp.failing = True
    bench.clock.advance(0.5)
    assert bench.advance() == bench.clock() + RETRY_NS


def test_a_line_that_cannot_show_a_signal_raises_an_error() -> None:
    bench = Bench()
    bench.lamp.failing = True
    with pytest.raises(BusError):
        bench.line.set(Signal.ALARM)


def test_the_thread_wakes_for_a_new_signal_and_ends_when_it_is_stopped() -> None:
    timer, output = LineTimer(), FakeOutput()
    line = AlarmLine("bad", output, Pattern(50 * MS, SECOND), wake=timer.wake)
    timer.add(line)
    thread = threading.Thread(target=timer.run, args=(lambda *_: None,))
    thread.start()
    try:
        line.set(Signal.ALARM)
        output.changed.clear()
        assert output.changed.wait(30)  # the thread's own change
        assert output.levels[:2] == [True, False]
    finally:
        timer.stop()
        thread.join(30)
    assert not thread.is_alive()


class FakeContact:
    """A contact whose looks return what the test has put in."""

    def __init__(self) -> None:
        self.value: bool | None = None
        self.disturbed: Reason | None = None
        self.changes: list[tuple[bool, int]] = []
        self.failing = False

    def look(self) -> list[tuple[bool, int]]:
        if self.failing:
            raise BusError("GPIO 5: no access")
        changes, self.changes = self.changes, []
        if changes:
            self.value = changes[-1][0]
        return changes


@pytest.mark.parametrize("report_first", [True, False])
def test_every_change_of_a_contact_is_reported_with_its_time(report_first) -> None:
    contact, reports = FakeContact(), []
    watched = WatchedContact(
        "key",
        contact,
        lambda *report: reports.append(report),
        report_first=report_first,
    )
    assert watched.advance(SECOND) == SECOND + LOOK_NS
    assert reports == []
    contact.value = True
    watched.advance(2 * SECOND)
    assert reports == ([(True, 2 * SECOND)] if report_first else [])
    reports.clear()
    contact.changes = [(False, 5), (True, 7)]
    watched.advance(3 * SECOND)
    assert reports == [(False, 5), (True, 7)]


def test_a_contact_that_is_disturbed_or_fails_is_reported_once_and_looked_at() -> None:
    clock, contact = Clock(), FakeContact()
    timer, levels, reports = LineTimer(clock), [], []
    timer.add(WatchedContact("key", contact, lambda *level: levels.append(level)))

    def look() -> int | None:
        return timer.advance(lambda *report: reports.append(report))

    contact.disturbed = Reason("GPIO 5 is disturbed", "shield it")
    assert look() == look() == clock() + LOOK_NS
    contact.failing = True
    assert look() == look() == clock() + RETRY_NS
    contact.failing, contact.disturbed = False, None
    contact.changes = [(True, 7)]
    assert look() == look() == clock() + LOOK_NS
    assert levels == [(True, 7)]
    assert reports == [
        ("key", "disturbed", "GPIO 5 is disturbed: shield it"),
        ("key", "failed", "GPIO 5: no access"),
        ("key", "ok", ""),
    ]


def test_a_contact_that_is_disturbed_often_is_reported_with_the_number() -> None:
    clock, contact = Clock(), FakeContact()
    timer, reports = LineTimer(clock), []
    timer.add(WatchedContact("key", contact, lambda *_: None))
    for n in range(40):
        contact.disturbed = None if n % 2 else Reason("it hums")
        timer.advance(lambda *report: reports.append(report))
    assert len(reports) == CHANGES_AT_ONCE
    clock.advance(60)
    timer.advance(lambda *report: reports.append(report))
    assert reports[-1] == ("key", "ok", "28 changes since the last event")


def test_a_timer_without_lines_is_not_needed() -> None:
    timer = LineTimer()
    assert not timer.needed
    timer.add(AlarmLine("bad", FakeOutput(), BLINK))
    assert timer.needed
