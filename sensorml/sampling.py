"""Bus threads: each visits the sensors of one bus in turn, for ever.

A sensor that fails is stopped and started again with capped back-off; the
others on its bus lose no more than its own transfers. What is read goes into
one bounded inbox, in the order of the reads.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final, NamedTuple

from sensorml.errors import SensormlError, SourceEndedError
from sensorml.interfaces import Driver
from sensorml.types import Block

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 30.0
MAX_BLOCKS: Final = 1024
"""Blocks that may wait for the monitor; about 20 s of two fast sensors."""
MAX_PATIENT_BLOCKS: Final = 4
"""Blocks of sources that can wait: few, so that a stop has little to finish."""

_BUSY_READS: Final = 64
"""Reads in a row for a driver that paces itself, before others have a turn."""


class Acknowledge(NamedTuple):
    """A person has acknowledged an alarm."""

    alarm: str


class Reading(NamedTuple):
    """What came of one visit to a sensor, or of somebody pressing a button."""

    sensor: str
    at_ns: int
    """When the driver returned, monotonic."""
    what: Block | SensormlError | Acknowledge | None
    """Rows, a failure, a person's word, or None: the driver has started."""


class Inbox:
    """Readings from all bus threads to the one thread that works on them.

    When it is full a live sensor's oldest block makes room, and its rows count
    as missed in that sensor's next block: the windows know. A recording, which
    can wait, waits.
    """

    def __init__(self, capacity: int = MAX_BLOCKS) -> None:
        self._readings: deque[Reading] = deque()
        self._capacity = capacity
        self._lost: dict[str, int] = {}
        self._closed = False
        self._changed = threading.Condition()
        self.dropped_rows = 0

    def put(self, reading: Reading, *, wait: bool = False) -> None:
        with self._changed:
            if wait:
                self._changed.wait_for(
                    lambda: self._closed or len(self._readings) < MAX_PATIENT_BLOCKS
                )
            if len(self._readings) >= self._capacity:
                self._drop_oldest_block()
            self._readings.append(reading)
            self._changed.notify_all()

    def get(self, timeout_s: float) -> Reading | None:
        """Return the oldest reading, or None after `timeout_s` without one."""
        with self._changed:
            if not self._readings:
                self._changed.wait_for(
                    lambda: self._readings or self._closed, timeout_s
                )
                if not self._readings:
                    return None
            reading = self._readings.popleft()
            self._changed.notify_all()
            if self._lost and isinstance(reading.what, Block):
                lost = self._lost.pop(reading.sensor, 0)
                block = replace(reading.what, missed=reading.what.missed + lost)
                reading = reading._replace(what=block)
            return reading

    def close(self) -> None:
        """No more readings will come: `get` gives out the rest, then None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        return self._closed and not self._readings

    def _drop_oldest_block(self) -> None:
        for i, (sensor, _, what) in enumerate(self._readings):
            if isinstance(what, Block):
                rows = len(what.samples) + what.missed
                self._lost[sensor] = self._lost.get(sensor, 0) + rows
                self.dropped_rows += rows
                del self._readings[i]
                return


class Station:
    """One sensor on its bus: starts it, reads it, starts it again."""

    def __init__(self, name: str, driver: Driver) -> None:
        self.name = name
        self._driver = driver
        self._running = False
        self._retry_s = FIRST_RETRY_S
        self._restarted = False
        self._next_ns: int | None = None  # when the row after the last one is due

    def visit(self, inbox: Inbox, clock: Callable[[], int]) -> float | None:
        """Do what is due; return the seconds to the next visit, None: never."""
        try:
            if not self._running:
                self._driver.start()
                self._running = self._restarted = True
                inbox.put(Reading(self.name, clock(), None))
                return self._driver.period_s
            paces_itself = self._driver.period_s == 0
            for _ in range(_BUSY_READS if paces_itself else 1):
                block = self._driver.read()
                if block is None:
                    break
                self._retry_s = FIRST_RETRY_S
                block = self._continued(block)
                inbox.put(Reading(self.name, clock(), block), wait=paces_itself)
        except SourceEndedError as end:
            self.stop()
            inbox.put(Reading(self.name, clock(), end))
            return None
        except SensormlError as error:
            self.stop()
            inbox.put(Reading(self.name, clock(), error))
            wait_s, self._retry_s = self._retry_s, min(self._retry_s * 2, LAST_RETRY_S)
            return wait_s
        return self._driver.period_s

    def _continued(self, block: Block) -> Block:
        """Count as missed what a restarted driver cannot know of: its own absence."""
        period_ns = 1e9 / block.rate_hz
        if self._restarted and self._next_ns is not None:
            absent = max(1, round((block.start_ns - self._next_ns) / period_ns))
            block = replace(block, missed=block.missed + absent)
        self._restarted = False
        self._next_ns = block.start_ns + round(len(block.samples) * period_ns)
        return block

    def stop(self) -> None:
        self._running = False
        # The device may be what failed: putting it to sleep is only tried.
        with suppress(SensormlError):
            self._driver.stop()


def run_bus(
    stations: Iterable[Station],
    inbox: Inbox,
    stop: threading.Event,
    clock: Callable[[], int] = time.monotonic_ns,
) -> None:
    """Visit every station when it is due until `stop`, or until all have ended.

    Visit n of a sensor is due n periods after its first, however long each
    took: the schedule does not drift, and visits that are overdue are skipped.
    """
    stations = list(stations)
    due = [(clock(), i) for i in range(len(stations))]
    heapq.heapify(due)
    try:
        while due and not stop.is_set():
            due_ns, i = due[0]
            early_s = (due_ns - clock()) / 1e9
            if early_s > 0 and stop.wait(early_s):
                break
            wait_s = stations[i].visit(inbox, clock)
            if wait_s is None:
                heapq.heappop(due)
                continue
            heapq.heapreplace(due, (_next_ns(due_ns, wait_s, clock()), i))
    finally:
        for station in stations:
            station.stop()


def _next_ns(due_ns: int, wait_s: float, now_ns: int) -> int:
    """Return the first time after `due_ns` by whole waits that is not past."""
    wait_ns = round(wait_s * 1e9)
    if due_ns + wait_ns >= now_ns or not wait_ns:
        return max(due_ns + wait_ns, now_ns)
    return now_ns + (due_ns - now_ns) % wait_ns
