"""Visits of a bus thread that an interrupt line brings forward."""

from __future__ import annotations

import threading

from scripted_bus import Deadline, Line, Script, run, seconds
from support import Clock

from sensorml.acquisition.bus_thread import SensorPoller, Wake, run_bus
from sensorml.acquisition.inbox import Inbox
from sensorml.types import Block


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
