"""No window that is scored glues together what the sensor took apart.

Samples are numbers that count on, so that a window with a hole in it can be
told whatever the blocks say. A window of quality 1 must count without a step.
"""

from __future__ import annotations

import errno
import os

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import MS, Clock, block

from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.inbox import Inbox
from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import adxl345
from sensorml.errors import BusError, SensorError
from sensorml.pipeline.ring import Ring
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345 as sim_adxl345
from sensorml.types import Block

WINDOW, HOP = 16, 4
BASE = 64
"""A number has a digit on every axis: few counts, so that no axis clips."""


class Numbers:
    """The windows and rows that came out of an inbox, as numbers."""

    def __init__(self, channels: int, counts: int = 1) -> None:
        self.rows: list[int] = []
        self.missed: list[int] = []
        """The rows missed before every block."""
        self.whole: list[list[int]] = []
        """The windows of quality 1."""
        self._ring = Ring(channels=channels, window=WINDOW, hop=HOP)
        self._counts = counts

    def take(self, inbox: Inbox) -> None:
        while (reading := inbox.get(0)) is not None:
            if not isinstance(reading.content, Block):
                continue
            self.rows += self._numbers(reading.content.samples.T)
            self.missed.append(reading.content.missed)
            windows = self._ring.push(reading.content)
            if windows is not None:
                self.whole += [
                    self._numbers(data)
                    for data, quality in zip(windows.data, windows.quality, strict=True)
                    if quality == 1
                ]

    def _numbers(self, channels: np.ndarray) -> list[int]:
        digits = np.rint(channels * self._counts).astype(int)
        return (digits * BASE ** np.arange(len(digits))[:, None]).sum(axis=0).tolist()

    def assert_whole_windows_count_on(self) -> None:
        assert self.whole, "after every fault whole windows come again"
        for numbers in self.whole:
            assert numbers == list(range(numbers[0], numbers[0] + WINDOW))


class Counter:
    """A sensor at 1 kHz with a FIFO of 32 that knows exactly what it loses.

    What it loses by being away, between stop and start, it does not know.
    """

    period_s = 0.01

    def __init__(self, clock: Clock) -> None:
        self.broken: Exception | None = None
        self._clock = clock
        self._begun = self._due
        self._next = 0

    @property
    def _due(self) -> int:
        return self._clock() // MS

    def start(self) -> None:
        if self.broken:
            raise self.broken
        self._next = self._due

    def read(self) -> Block | None:
        if self.broken:
            raise self.broken
        due = self._due
        first = max(self._next, due - 32)
        missed, self._next = first - self._next, due
        if first == due:
            return None
        numbers = np.arange(first, due) - self._begun
        return block(numbers, start_ns=first * MS, missed=missed)

    def stop(self) -> None:
        pass


BROKEN = {
    "gone": BusError("no chip answers"),
    "nonsense": SensorError("all bytes are 0xff"),
}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["well", "well", "late", "busy engine", *BROKEN]),
            st.integers(1, 40),
        ),
        max_size=12,
    )
)
@example([("well", 1), ("well", 1), ("gone", 1), ("well", 1), ("late", 12)])
@settings(max_examples=200, deadline=None)
def test_after_any_fault_gaps_are_counted_and_in_no_whole_window(moments):
    clock = Clock()
    driver = Counter(clock)
    poller, inbox, seen = SensorPoller("a", driver), Inbox(capacity=3), Numbers(1)
    for what, length in [*moments, ("well", 40)]:
        if what == "late":
            clock.advance(length / 500)
            continue
        driver.broken = BROKEN.get(what)
        for _ in range(length):
            clock.advance(poller.visit(inbox, clock) or 0)
            if what != "busy engine":  # then the inbox overflows
                seen.take(inbox)
    seen.take(inbox)
    seen.assert_whole_windows_count_on()
    taken = seen.rows[-1] - seen.rows[0] + 1
    assert taken == len(seen.rows) + sum(seen.missed[1:])


class Rising:
    """A machine whose acceleration, in counts, is the number of the sample."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz

    def acceleration(self, times_s: np.ndarray) -> np.ndarray:
        numbers = np.rint(times_s * self._rate_hz).astype(int)
        digits = numbers[:, None] // BASE ** np.arange(3) % BASE
        return (1 + digits) / sim_adxl345.LSB_PER_G


class SlowBus(SimBus):
    """A bus whose short transfers take a time, and fail when told to."""

    def __init__(self, clock: Clock) -> None:
        super().__init__({})
        self.transfer_s = 0.0001
        self.broken = False
        self._clock = clock

    def transfer(self, address, messages):
        if self.broken:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        takes_s = self.transfer_s if len(messages) == 2 else 0.0001
        self._clock.advance(takes_s / 2)
        answer = super().transfer(address, messages)
        self._clock.advance(takes_s / 2)
        return answer


@given(
    faults=st.lists(
        st.tuples(
            st.integers(5, 60),
            st.sampled_from(["late", "gone"]),
            st.floats(0.018, 0.03) | st.floats(0.001, 0.2),  # the first just fills it
            st.sampled_from([0.0001, 0.001, 0.003]),
        ),
        min_size=1,
        max_size=6,
    ),
    error=st.floats(-0.04, 0.04),
)
@settings(max_examples=50, deadline=None)
def test_an_adxl345_shows_as_whole_only_what_it_took_in_a_row(faults, error) -> None:
    clock = Clock()
    bus = SlowBus(clock)
    bus.chips[0x53] = sim_adxl345.Chip(
        Rising(800 * (1 + error)), clock, rate_error=error
    )
    driver = adxl345.Driver(
        adxl345.Options(bus="sim", rate_hz=800),
        lambda o, c: I2cConnection(bus, o, c),
        clock,
    )
    poller, inbox = SensorPoller("a", driver), Inbox()
    seen = Numbers(3, sim_adxl345.LSB_PER_G)
    for visits, fault, how_long_s, transfer_s in [*faults, (60, "late", 0, 0.0001)]:
        for _ in range(visits):
            clock.advance(poller.visit(inbox, clock) or 0)
        bus.broken = fault == "gone"
        bus.transfer_s = transfer_s
        clock.advance(how_long_s)
        clock.advance(poller.visit(inbox, clock) or 0)
        bus.broken, bus.transfer_s = False, 0.0001
    seen.take(inbox)
    seen.assert_whole_windows_count_on()
