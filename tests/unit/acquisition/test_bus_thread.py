"""The inbox, and bus threads over fake drivers and a clock that the test sets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, Clock, block

from sensorml.acquisition.bus_thread import (
    FIRST_RETRY_S,
    LAST_RETRY_S,
    LOOK_S,
    SensorPoller,
    Wake,
    run_bus,
)
from sensorml.acquisition.inbox import (
    MAX_PATIENT_BLOCKS,
    Acknowledge,
    Inbox,
    Reading,
    Started,
)
from sensorml.errors import BusError, SensorError, SourceEndedError, UnsettledError
from sensorml.interfaces import HasInterrupt
from sensorml.types import Block


def reading(sensor: str = "a", rows: int = 1, missed: int = 0) -> Reading:
    return Reading(sensor, 0, block([0.0] * rows, missed=missed))


def drained(inbox: Inbox) -> list[Reading]:
    inbox.close()
    found = []
    while (each := inbox.get(0)) is not None:
        found.append(each)
    assert inbox.drained
    return found


def blocks(readings: list[Reading], sensor: str) -> list[Block]:
    return [
        r.content
        for r in readings
        if r.sensor == sensor and isinstance(r.content, Block)
    ]


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


class Script:
    """A driver that plays what it is given: rows, None, errors, or slow reads."""

    def __init__(
        self,
        clock: Clock,
        *plays: object,
        period_s: float = 0.1,
        start: Callable[[], None] = lambda: None,
        otherwise: object = 1,
        rate_hz: float = 1000.0,
        interrupt: Line | None = None,
    ) -> None:
        self.period_s = period_s
        self.rate_hz = rate_hz
        self.starts: list[int] = []
        self.reads: list[int] = []
        self.running = False
        if interrupt is not None:
            self.interrupt = interrupt
        self._clock = clock
        self._plays: Iterator[object] = iter(plays)
        self._start = start
        self._otherwise = otherwise

    def start(self) -> None:
        self.starts.append(self._clock())
        self._start()
        self.running = True

    def read(self) -> Block | None:
        assert self.running, "read before start"
        self.reads.append(self._clock())
        play = next(self._plays, self._otherwise)
        if isinstance(play, Exception):
            raise play
        if isinstance(play, float):  # a read that takes so long
            self._clock.advance(play)
            play = 1
        if play is None:
            return None
        return block([0.0] * play, start_ns=self._clock(), rate_hz=self.rate_hz)

    def stop(self) -> None:
        self.running = False


class Line:
    """An interrupt line that rises at given seconds from now on."""

    def __init__(self, clock: Clock, *rises_s: float) -> None:
        self.rises_ns = [clock() + round(each * 1e9) for each in rises_s]
        self.wake: Callable[[], None] = lambda: None

    def listen(self, wake: Callable[[], None]) -> None:
        self.wake = wake


class Deadline(Wake):
    """A stop that comes at a time; waiting for it moves the clock, and lines."""

    def __init__(self, clock: Clock, seconds: float, *lines: Line) -> None:
        super().__init__()
        self.waits = 0
        self._clock = clock
        self._end_ns = clock() + round(seconds * 1e9)
        self._lines = lines

    def is_set(self) -> bool:
        return super().is_set() or self._clock() >= self._end_ns

    def wait(self, timeout_s: float, woken: Callable[[], bool]) -> None:
        self.waits += 1
        assert not woken(), "an interrupt that is not taken would never let it wait"
        until_ns = self._clock() + round(timeout_s * 1e9)
        while self._clock() < until_ns and not woken():
            following = min(
                (line for line in self._lines if line.rises_ns),
                key=lambda line: line.rises_ns[0],
                default=None,
            )
            if following is None or following.rises_ns[0] > until_ns:
                self._clock.now_ns = until_ns
                return
            self._clock.now_ns = max(self._clock(), following.rises_ns.pop(0))
            following.wake()


def run(clock: Clock, seconds: float, **drivers: Script) -> list[Reading]:
    """Run one bus for so long; return what came of it."""
    inbox = Inbox(100_000)
    pollers = [SensorPoller(name, driver) for name, driver in drivers.items()]
    lines = [d.interrupt for d in drivers.values() if isinstance(d, HasInterrupt)]
    run_bus(pollers, inbox, Deadline(clock, seconds, *lines), clock)
    assert not any(driver.running for driver in drivers.values())
    return drained(inbox)


def seconds(clock: Clock, times_ns: list[int]) -> list[float]:
    """Times since the clock's beginning."""
    return [round((at - 1_000 * SECOND) / 1e9, 6) for at in times_ns]


class TestBus:
    def test_a_sensor_is_started_reported_and_read_by_its_period(self) -> None:
        clock = Clock()
        driver = Script(clock)
        readings = run(clock, 0.35, a=driver)
        assert [type(r.content) for r in readings] == [Started, Block, Block, Block]
        assert seconds(clock, driver.reads) == [0.1, 0.2, 0.3]

    def test_the_schedule_does_not_drift_with_the_time_that_reads_take(self) -> None:
        clock = Clock()
        driver = Script(clock, *[0.03] * 30)
        run(clock, 3.05, a=driver)
        assert seconds(clock, driver.reads) == [round(n * 0.1, 6) for n in range(1, 31)]

    def test_overdue_visits_are_skipped_and_the_rest_keep_their_times(self) -> None:
        clock = Clock()
        driver = Script(clock, 1, 0.27, 1)
        run(clock, 0.75, a=driver)
        assert seconds(clock, driver.reads) == [0.1, 0.2, 0.5, 0.6, 0.7]

    def test_each_sensor_of_a_bus_has_its_own_period(self) -> None:
        clock = Clock()
        fast, slow = Script(clock), Script(clock, period_s=0.5)
        run(clock, 1.05, fast=fast, slow=slow)
        assert len(fast.reads) == 10
        assert seconds(clock, slow.reads) == [0.5, 1.0]

    def test_a_failure_is_reported_and_the_sensor_started_again(self) -> None:
        clock = Clock()
        error = BusError("i2c-1 0x53: no chip answers")
        driver = Script(clock, 1, error)
        readings = run(clock, 1.0, a=driver)
        assert [r.content for r in readings if isinstance(r.content, Exception)] == [
            error
        ]
        assert seconds(clock, driver.starts) == [0, 0.2 + FIRST_RETRY_S]
        assert driver.reads[-1] > driver.starts[-1]

    def test_the_back_off_doubles_up_to_its_cap(self) -> None:
        clock = Clock()

        def absent() -> None:
            raise SensorError("identity 0x00")

        driver = Script(clock, start=absent)
        run(clock, 200, a=driver)
        starts = seconds(clock, driver.starts)
        waits = [b - a for a, b in pairwise(starts)]
        assert waits[:4] == [FIRST_RETRY_S, 1.0, 2.0, 4.0]
        assert waits[-1] == LAST_RETRY_S
        assert sorted(waits) == waits

    def test_a_line_without_a_level_is_read_again_and_leaves_a_gap(self) -> None:
        clock = Clock()
        unsettled = UnsettledError("GPIO 5 is disturbed")
        driver = Script(clock, 1, unsettled, unsettled, rate_hz=10.0)
        readings = run(clock, 0.6, a=driver)
        assert seconds(clock, driver.starts) == [0]
        assert seconds(clock, driver.reads) == [0.1, 0.2, 0.3, 0.4, 0.5]
        assert [reading.content for reading in readings].count(unsettled) == 2
        assert [each.missed for each in blocks(readings, "a")] == [0, 2, 0]

    def test_a_back_off_begins_with_its_failure_however_late_that_comes(self) -> None:
        clock = Clock()
        held_up, ill = Script(clock, 2.33), Script(clock, BusError("gone"))
        run(clock, 4, held_up=held_up, ill=ill)
        assert seconds(clock, ill.starts) == [0, 0.1 + 2.33 + FIRST_RETRY_S]

    def test_a_run_as_long_as_the_wait_ends_the_back_off(self) -> None:
        clock = Clock()
        gone = BusError("gone")
        driver = Script(clock, gone, gone, *[1] * 20, gone)
        run(clock, 5, a=driver)
        starts = seconds(clock, driver.starts)
        # Each read comes a period after its start.
        assert starts == [0, 0.6, 1.7, 1.7 + 2.1 + FIRST_RETRY_S]

    def test_a_start_and_a_row_do_not_end_the_back_off(self) -> None:
        clock = Clock()
        driver = Script(clock, *[1, BusError("gone")] * 50)
        run(clock, 600, a=driver)
        starts = seconds(clock, driver.starts)
        waits = [round(b - a - 0.2, 3) for a, b in pairwise(starts)]
        assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
        assert waits[-1] == LAST_RETRY_S

    @pytest.mark.parametrize("what", ["absent", "silent", "slow"])
    def test_a_thread_iterates_whatever_its_sensor_does(self, what: str) -> None:
        clock = Clock()

        def absent() -> None:
            raise BusError("gone")

        driver = {
            "absent": Script(clock, start=absent),
            "silent": Script(clock, otherwise=None),
            "slow": Script(clock, period_s=1000.0),
        }[what]
        poller = SensorPoller("a", driver)
        run_bus([poller], Inbox(), Deadline(clock, 200), clock)
        assert poller.iterations >= 200 / LOOK_S

    def test_a_failing_sensor_does_not_disturb_its_neighbour(self) -> None:
        clock = Clock()

        def absent() -> None:
            raise BusError("gone")

        well = Script(clock)
        readings = run(clock, 10.05, ill=Script(clock, start=absent), well=well)
        assert seconds(clock, well.reads) == [round(n * 0.1, 6) for n in range(1, 101)]
        assert {r.sensor for r in readings if isinstance(r.content, Block)} == {"well"}

    def test_a_neighbours_fifo_is_empty_when_a_start_holds_the_bus_up(self) -> None:
        clock = Clock()

        def hangs() -> None:
            clock.advance(0.15)
            raise BusError("it holds the clock for too long")

        well = Script(clock, interrupt=Line(clock))
        run(clock, 1.3, ill=Script(clock, start=hangs), well=well)
        # The start at 0.65 s holds the bus up until 0.8 s.
        assert seconds(clock, well.reads)[4:8] == [0.6, 0.65, 0.8, 0.85]

    def test_a_sensor_without_a_fifo_keeps_its_times_whoever_starts(self) -> None:
        clock = Clock()

        def absent() -> None:
            raise BusError("gone")

        well = Script(clock, period_s=0.3)
        run(clock, 2, ill=Script(clock, start=absent), well=well)
        assert seconds(clock, well.reads) == [0.3, 0.6, 0.9, 1.2, 1.5, 1.8]

    def test_rows_of_the_time_a_sensor_was_away_count_as_missed(self) -> None:
        clock = Clock()
        readings = run(clock, 1.05, a=Script(clock, 2, BusError("gone"), 3, 100))
        # Two rows at 0.1 s, a failure at 0.2 s; read again at 0.8, 0.9 and 1.0 s.
        assert [each.missed for each in blocks(readings, "a")] == [0, 698, 0, 0]

    def test_however_short_a_restart_was_it_is_a_gap(self) -> None:
        clock = Clock()
        driver = Script(clock, 1, BusError("gone"), 1, rate_hz=0.1)
        readings = run(clock, 0.85, a=driver)
        assert [each.missed for each in blocks(readings, "a")] == [0, 1]

    def test_a_device_that_fails_to_stop_too_is_started_again(self) -> None:
        clock = Clock()

        class Stubborn(Script):
            def stop(self) -> None:
                super().stop()
                raise BusError("no chip answers")

        driver = Stubborn(clock, BusError("no chip answers"))
        run(clock, 2, a=driver)
        assert len(driver.starts) == 2

    def test_the_end_of_a_recording_ends_its_visits(self) -> None:
        clock = Clock()
        driver = Script(clock, 1, SourceEndedError("that was all"))
        readings = run(clock, 60, a=driver)
        assert len(driver.reads) == 2
        assert isinstance(readings[-1].content, SourceEndedError)
        assert clock() < 1_001 * SECOND, "a bus whose sources have ended is done"

    def test_a_source_that_paces_itself_leaves_its_neighbours_their_turn(self) -> None:
        clock = Clock()
        other = Script(clock, period_s=0.05)
        busy = Script(clock, period_s=0, otherwise=0.001)
        inbox = Inbox(100_000)
        reader = threading.Thread(target=lambda: _consume(inbox))
        reader.start()
        pollers = [SensorPoller("busy", busy), SensorPoller("other", other)]
        run_bus(pollers, inbox, Deadline(clock, 1), clock)
        inbox.close()
        reader.join(10)
        assert len(busy.reads) >= 900
        assert len(other.reads) >= 10

    def test_nothing_new_is_no_reading(self) -> None:
        clock = Clock()
        readings = run(clock, 0.35, a=Script(clock, None, 2, None))
        assert [type(r.content) for r in readings] == [Started, Block]

    def test_a_bug_in_a_driver_stops_the_whole_bus(self) -> None:
        clock = Clock()
        driver, other = Script(clock, ZeroDivisionError()), Script(clock)
        pollers = [SensorPoller("a", driver), SensorPoller("b", other)]
        with pytest.raises(ZeroDivisionError):
            run_bus(pollers, Inbox(), Deadline(clock, 1), clock)
        assert not driver.running
        assert not other.running


class TestInterrupts:
    def test_a_ring_brings_the_visit_forward_and_the_schedule_counts_from_it(
        self,
    ) -> None:
        clock = Clock()
        driver = Script(clock, interrupt=Line(clock, 0.06, 0.13))
        run(clock, 0.35, a=driver)
        assert seconds(clock, driver.reads) == [0.06, 0.13, 0.23, 0.33]

    def test_regular_rings_leave_the_schedule_nothing_to_do(self) -> None:
        clock = Clock()
        rises = [round(0.07 * n, 6) for n in range(1, 40)]
        driver = Script(clock, interrupt=Line(clock, *rises))
        run(clock, 0.07 * 39.5, a=driver)
        assert seconds(clock, driver.reads) == rises

    def test_a_silent_line_leaves_the_schedule(self) -> None:
        clock = Clock()
        driver = Script(clock, interrupt=Line(clock))
        run(clock, 0.35, a=driver)
        assert seconds(clock, driver.reads) == [0.1, 0.2, 0.3]

    def test_a_line_that_chatters_does_not_starve_its_neighbours(self) -> None:
        clock = Clock()
        line = Line(clock, *[0.001 + n * 0.0001 for n in range(10_000)])
        wild, calm = Script(clock, interrupt=line), Script(clock)
        pollers = [SensorPoller("wild", wild), SensorPoller("calm", calm)]
        stop = Deadline(clock, 1.05, line)
        run_bus(pollers, Inbox(100_000), stop, clock)
        assert seconds(clock, calm.reads) == [round(n * 0.1, 6) for n in range(1, 11)]
        assert 10 < len(wild.reads) <= 42, "four times as often as by schedule"

    def test_a_ring_during_a_read_is_about_what_was_just_read(self) -> None:
        clock = Clock()
        line = Line(clock)

        class Wobbling(Script):
            def read(self) -> Block | None:
                line.wake()
                return super().read()

        driver = Wobbling(clock, interrupt=line)
        run(clock, 0.35, a=driver)
        assert seconds(clock, driver.reads) == [0.1, 0.2, 0.3]

    def test_a_ring_wakes_only_the_sensor_it_is_for(self) -> None:
        clock = Clock()
        other = Script(clock)
        run(clock, 0.35, a=Script(clock, interrupt=Line(clock, 0.06)), other=other)
        assert seconds(clock, other.reads) == [0.1, 0.2, 0.3]

    def test_a_ring_from_another_thread_ends_a_wait_and_so_does_a_stop(self) -> None:
        wake, woken = Wake(), threading.Event()

        def ring() -> None:
            woken.set()
            wake.notify()

        for end in (ring, wake.set):
            woken.clear()
            waiting = threading.Thread(target=wake.wait, args=(60, woken.is_set))
            waiting.start()
            end()
            waiting.join(10)
            assert not waiting.is_alive()
        assert wake.is_set()


def _consume(inbox: Inbox) -> None:
    while not inbox.drained:
        inbox.get(1)
