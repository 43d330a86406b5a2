"""An alarm's output line: it shows a signal by the alarm's pattern.

The engine's thread sets the signal, and the line has changed when `set` returns.
Later changes of a pattern are made on the timer's thread, so that a slow model
does not disturb a blinking lamp.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from sensorml.alarms.logic import Signal
from sensorml.alarms.pattern import Pattern, Step
from sensorml.errors import BusError
from sensorml.storage.outbox import Outbox


class DigitalOutput(Protocol):
    """An output that is on or off, as `gpio.lines` opens it."""

    def set(self, on: bool) -> None: ...


class AlarmLine:
    """An alarm's output line and its pattern."""

    def __init__(
        self,
        name: str,
        output: DigitalOutput,
        pattern: Pattern,
        *,
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Make a line that shows nothing until the first `set`.

        Args:
            name: the alarm's name.
            output: the line.
            pattern: what the line does while the alarm is on.
            wake: called when the time of the next change is another one.
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
        """Show a signal from now on.

        Raises:
            BusError: the line cannot be driven.
        """
        with self._lock:
            self._signal, self._since_ns = signal, self._clock()
            self._level = None
            self._apply(self._since_ns)
        self._wake()

    def advance(self, now_ns: int) -> int | None:
        """Do what is due; return the time of the next change, None: after a `set`."""
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
            self._level = None  # if it fails
            self._output.set(step.on)
            self._level = step.on
        return None if step.until_ns is None else self._since_ns + step.until_ns


class LineHealth:
    """The state of one output line; reports when it fails and when it works again."""

    def __init__(self, name: str, outbox: Outbox) -> None:
        """Make the state of a line that works.

        Args:
            name: the subject of the events: an alarm's or a meter's name.
            outbox: receives the events.
        """
        self._name = name
        self._outbox = outbox
        self._state = "ok"

    def drive(self, change_line: Callable[[], None]) -> bool:
        """Call `change_line`; return whether the line could be driven."""
        before, detail = self._state, ""
        try:
            change_line()
            self._state = "ok"
        except BusError as error:
            self._state, detail = "failed", str(error)
        if self._state != before:
            self._outbox.event(
                kind="gpio",
                subject=self._name,
                state=self._state,
                previous=before,
                detail=detail,
            )
        return self._state == "ok"
