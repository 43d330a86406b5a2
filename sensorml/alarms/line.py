"""What time changes: an alarm's pattern, the heartbeat; and inputs looked at again.

The engine's thread sets what an alarm's line shows, and the line has changed
when it returns. What comes after, by the clock, is done on a thread of its own:
a model that takes long makes no lamp stutter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from sensorml.alarms.logic import Signal
from sensorml.alarms.pattern import Pattern, Step


class Drivable(Protocol):
    """An output, as `buses.gpio` opens them."""

    def set(self, on: bool) -> None: ...


class AlarmLine:
    """An alarm's output, which shows a signal by the alarm's pattern."""

    def __init__(
        self,
        name: str,
        output: Drivable,
        pattern: Pattern,
        *,
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make it.

        Args:
            name: the alarm's.
            output: the line.
            pattern: what it does while the alarm is on.
            wake: called when the time of the next change is another.
            clock: monotonic, ns.
        """
        self.name = name
        self._output = output
        self._pattern = pattern
        self._wake = wake
        self._clock = clock
        self._lock = threading.Lock()
        self._signal: Signal | None = None
        self._since_ns = 0
        self._level: bool | None = None

    def set(self, signal: Signal) -> None:
        """Show it from now on.

        Raises:
            BusError: the line cannot be driven.
        """
        with self._lock:
            self._signal, self._since_ns = signal, self._clock()
            self._level = None
            self._apply(self._since_ns)
        self._wake()

    def advance(self, now_ns: int) -> int | None:
        """Do what is due; return when to come back, None: when told."""
        with self._lock:
            return self._apply(now_ns)

    def _apply(self, now_ns: int) -> int | None:
        if self._signal is None:
            return None
        if self._signal is Signal.ALARM:
            step = self._pattern.at(now_ns - self._since_ns)
        else:
            step = Step(self._signal is Signal.SAFE, None)
        if step.on is not self._level:
            self._level = None  # should it fail
            self._output.set(step.on)
            self._level = step.on
        return None if step.until_ns is None else self._since_ns + step.until_ns
