"""The inbox: readings from the bus threads, inputs and pages to the monitor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NamedTuple

from sensorml.errors import SensormlError
from sensorml.types import Block

MAX_BLOCKS: Final = 1024
"""Blocks that may wait for the monitor; about 20 s of two fast sensors."""
MAX_PATIENT_BLOCKS: Final = 4
"""Blocks of sources that can wait: few, so that a stop ends soon."""


class Started(NamedTuple):
    """The driver of a sensor has started."""

    warning: str = ""
    """The warning of the driver, such as a foreign identity; empty: none."""


class Acknowledge(NamedTuple):
    """A person has acknowledged an alarm."""

    alarm: str
    by: str = ""
    """The person, or the button that was pressed."""


class Arm(NamedTuple):
    """An alarm is to be armed or disarmed."""

    alarm: str
    armed: bool


class Trigger(NamedTuple):
    """A window of a model is to begin at the time of the reading."""

    model: str


class Reading(NamedTuple):
    """The result of one visit to a sensor, or of an edge on an input."""

    sensor: str
    at_ns: int
    """The time at which the driver returned, monotonic."""
    content: Block | SensormlError | Started | Acknowledge | Arm | Trigger
    """Rows, a failure, the start of the driver, or the request of an input."""


class Inbox:
    """A bounded queue from all bus threads to the one thread that handles readings.

    When it is full the oldest block is dropped, and its rows count as missed in the
    next block of its sensor, so that windows show the gap. A recording waits instead.
    """

    def __init__(
        self, capacity: int = MAX_BLOCKS, filled: Callable[[], None] = lambda: None
    ) -> None:
        """Begin empty.

        Args:
            capacity: The readings that may wait.
            filled: Called after each reading, on the thread that puts it.
        """
        self._readings: deque[Reading] = deque()
        self._capacity = capacity
        self._lost: dict[str, int] = {}
        self._closed = False
        self._filled = filled
        self._copies: tuple[tuple[str, Inbox], ...] = ()
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
            copies = [copy for sensor, copy in self._copies if sensor == reading.sensor]
        self._filled()
        for copy in copies:
            copy.put(reading)

    @contextmanager
    def copied(self, sensor: str, to: Inbox) -> Iterator[None]:
        """Put the readings of a sensor into another inbox, too, which may be slow."""
        entry = (sensor, to)
        with self._changed:
            self._copies += (entry,)
        try:
            yield
        finally:
            with self._changed:
                self._copies = tuple(each for each in self._copies if each is not entry)

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
            if self._lost and isinstance(reading.content, Block):
                lost = self._lost.pop(reading.sensor, 0)
                block = replace(reading.content, missed=reading.content.missed + lost)
                reading = reading._replace(content=block)
            return reading

    def close(self) -> None:
        """Accept the end of readings: `get` returns the rest, then None."""
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
