"""The schedule of a bus thread, its back-off and its neighbours."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from scripted_bus import Deadline, Line, Script, blocks, run, seconds
from support import SECOND, Clock

from sensorml.acquisition.bus_thread import (
    FIRST_RETRY_S,
    LAST_RETRY_S,
    LOOK_S,
    SensorPoller,
    run_bus,
)
from sensorml.acquisition.inbox import Inbox, Started
from sensorml.errors import BusError, SensorError, SourceEndedError, UnsettledError
from sensorml.types import Block


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


def _consume(inbox: Inbox) -> None:
    while not inbox.drained:
        inbox.get(1)
