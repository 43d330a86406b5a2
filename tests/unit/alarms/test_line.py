"""Lines that change with time, over outputs that remember and a clock that is told."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MS, SECOND, Clock

from sensorml.alarms.line import AlarmLine
from sensorml.alarms.logic import Signal
from sensorml.alarms.pattern import Pattern, pattern_of
from sensorml.alarms.timer import RETRY_NS, Contact, Heartbeat, LineTimer
from sensorml.config.tables import Alarm
from sensorml.errors import BusError

BLINK = Pattern(on_ns=300 * MS, off_ns=700 * MS)


class FakeOutput:
    """A line that remembers its levels and can be told to fail."""

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
        self.told: list[tuple[str, str, str]] = []
        self.line = AlarmLine(
            "bad", self.lamp, pattern, wake=self.timer.wake, clock=self.clock
        )
        self.timer.add(self.line)

    def add_heartbeat(self) -> None:
        self.timer.add(
            Heartbeat(self.beat, lambda: self.blocks, period_s=1.0, timeout_s=3.0)
        )

    def advance(self) -> int | None:
        return self.timer.advance(lambda *told: self.told.append(told))

    def run_for(self, seconds: float, *, blocks: int = 0) -> None:
        """Let time pass in steps of 50 ms; `blocks` come in each."""
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
def test_a_level_holds_until_the_time_that_is_told(on_ns, off_ns, since_ns) -> None:
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


def test_an_alarm_blinks_from_the_moment_on_that_it_was_set() -> None:
    bench = Bench()
    bench.line.set(Signal.ALARM)
    due = [bench.advance()]
    for _ in range(3):
        bench.clock.now_ns = due[-1]
        due.append(bench.advance())
    assert bench.lamp.levels == [True, False, True, False]
    begun = due[0] - 300 * MS
    assert [at - begun for at in due] == [300 * MS, SECOND, 1300 * MS, 2 * SECOND]


def test_a_late_thread_does_not_shift_the_blinking() -> None:
    bench = Bench()
    begun = bench.clock()
    bench.line.set(Signal.ALARM)
    bench.clock.advance(1.25)
    assert bench.advance() == begun + 1300 * MS
    assert bench.lamp.levels == [True]


def test_what_blinked_stops_when_the_alarm_does() -> None:
    bench = Bench()
    bench.line.set(Signal.ALARM)
    bench.run_for(0.5)
    bench.line.set(Signal.OFF)
    assert bench.advance() is None
    bench.run_for(5)
    assert bench.lamp.levels == [True, False, False]


def test_without_sight_a_line_that_fails_safe_is_on_and_still() -> None:
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


def test_the_heart_beats_while_blocks_come() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.run_for(3, blocks=1)
    assert bench.beat.levels == [True, False, True, False, True, False]


def test_the_heart_does_not_beat_before_the_first_block() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.run_for(5)
    assert bench.beat.levels == []


def test_the_heart_stops_with_the_blocks_and_goes_on_with_them() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.run_for(2, blocks=1)
    bench.run_for(10)
    stopped = len(bench.beat.levels)
    assert stopped <= 4 + 7  # 3 s of patience
    bench.run_for(10)
    assert len(bench.beat.levels) == stopped
    bench.run_for(1, blocks=1)
    assert len(bench.beat.levels) == stopped + 2


def test_a_lamp_that_is_set_does_not_hurry_the_heart() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.blocks = 1
    for signal in [Signal.ALARM, Signal.OFF] * 5:
        bench.line.set(signal)
        bench.advance()
    assert bench.beat.levels == [True]


def test_a_line_that_fails_is_told_once_tried_again_and_hinders_no_other() -> None:
    bench = Bench()
    bench.add_heartbeat()
    bench.line.set(Signal.ALARM)
    bench.lamp.failing = True
    bench.run_for(2, blocks=1)
    assert bench.told == [("bad", "failed", "GPIO 17: no access")]
    assert len(bench.beat.levels) == 4
    assert bench.lamp.levels == [True]
    bench.lamp.failing = False
    bench.run_for(2, blocks=1)
    assert bench.told[1:] == [("bad", "ok", "")]
    assert set(bench.lamp.levels[1:]) == {True, False}


def test_a_line_that_cannot_be_driven_is_come_back_to_in_a_second() -> None:
    bench = Bench()
    bench.line.set(Signal.ALARM)
    bench.lamp.failing = True
    bench.clock.advance(0.5)
    assert bench.advance() == bench.clock() + RETRY_NS


def test_a_line_that_fails_when_it_is_set_says_so_to_who_sets_it() -> None:
    bench = Bench()
    bench.lamp.failing = True
    with pytest.raises(BusError):
        bench.line.set(Signal.ALARM)


def test_the_thread_wakes_for_a_line_that_is_set_and_ends_when_told() -> None:
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


class FakeInput:
    """A contact that can fail."""

    def __init__(self) -> None:
        self.closed = True
        self.failing = False

    @property
    def value(self) -> bool:
        if self.failing:
            raise BusError("GPIO 5: no access")
        return self.closed


def test_a_contact_is_told_when_two_looks_agree_and_failures_once() -> None:
    clock, contact = Clock(), FakeInput()
    timer, told, failures = LineTimer(clock), [], []
    timer.add(Contact("key", contact, lambda closed, _at_ns: told.append(closed)))

    def look(closed: bool, *, failing: bool = False) -> list[bool]:
        contact.closed, contact.failing = closed, failing
        told.clear()
        clock.advance(1.0)
        timer.advance(lambda *what: failures.append(what))
        timer.advance(lambda *what: failures.append(what))  # for another line
        return list(told)

    assert [look(True), look(True)] == [[], [True]]
    assert [look(False), look(True), look(True)] == [[], [], [True]]
    assert [look(False, failing=True), look(False, failing=True)] == [[], []]
    assert [look(False), look(False)] == [[], [False]]
    assert failures == [("key", "failed", "GPIO 5: no access"), ("key", "ok", "")]


def test_a_timer_without_lines_is_not_needed() -> None:
    timer = LineTimer()
    assert not timer.needed
    timer.add(AlarmLine("bad", FakeOutput(), BLINK))
    assert timer.needed
