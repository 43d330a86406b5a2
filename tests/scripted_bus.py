"""A bus thread over scripted drivers and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from support import SECOND, Clock, block

from sensorml.acquisition.bus_thread import SensorPoller, Wake, run_bus
from sensorml.acquisition.inbox import Inbox, Reading
from sensorml.interfaces import HasInterrupt
from sensorml.types import Block


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
