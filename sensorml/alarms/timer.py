"""Lines that change by the clock: blinking alarms, the heartbeat; and watched contacts.

One thread comes back to all of them when something is due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sensorml.alarms.line import DigitalOutput
from sensorml.errors import BusError, Reason, UnsettledError
from sensorml.gpio.contact import LOOK_NS
from sensorml.storage.change_limit import ChangeLimit

RETRY_NS: Final = 1_000_000_000
"""Between attempts at a line that cannot be driven."""


class Contact(Protocol):
    """A debounced input, as `gpio.contact` opens it."""

    @property
    def value(self) -> bool | None: ...

    @property
    def disturbed(self) -> Reason | None: ...

    def look(self) -> Sequence[tuple[bool, int]]: ...


class TimedLine(Protocol):
    """A line to which the timer comes back."""

    name: str

    def advance(self, now_ns: int) -> int | None:
        """Do what is due; return when to come back, None: after `LineTimer.wake`.

        Raises:
            BusError: the line cannot be driven or read.
            UnsettledError: the line has no level now.
        """
        ...


class Heartbeat:
    """A line that toggles while data arrives, and otherwise keeps its level.

    Wire it through a capacitor to a retriggerable monostable, or to the input of
    a watchdog relay, whose contact releases the machine: the relay drops out when
    the line stops at either level, and when the power fails.
    """

    def __init__(
        self,
        output: DigitalOutput,
        progress: Callable[[], int],
        *,
        period_s: float,
        timeout_s: float,
    ) -> None:
        """Make a heartbeat that is still until the first progress.

        Args:
            output: the line.
            progress: returns a count that grows with every block of samples.
            period_s: high and low together.
            timeout_s: the line stops after this time without progress.
        """
        self.name = "heartbeat"
        self._output = output
        self._progress = progress
        self._half_ns = round(period_s * 1e9 / 2)
        self._timeout_ns = round(timeout_s * 1e9)
        self._last_progress = progress()
        self._progress_ns: int | None = None
        self._due_ns = 0
        self._level = False

    def advance(self, now_ns: int) -> int:
        """Toggle if it is due and data has arrived; return when to come back."""
        if now_ns < self._due_ns:
            return self._due_ns
        progress = self._progress()
        if progress != self._last_progress:
            self._last_progress, self._progress_ns = progress, now_ns
        since_ns = self._progress_ns
        if since_ns is not None and now_ns - since_ns <= self._timeout_ns:
            self._output.set(not self._level)
            self._level = not self._level
        self._due_ns = now_ns + self._half_ns
        return self._due_ns


class WatchedContact:
    """A contact that is looked at, and whose changes are reported.

    A disturbed contact keeps its last level: nothing is reported until a level lasts.
    """

    def __init__(
        self,
        name: str,
        contact: Contact,
        report: Callable[[bool, int], None],
        *,
        report_first: bool = False,
    ) -> None:
        """Make an input.

        Args:
            name: its name in events.
            contact: the line.
            report: called with a new value and the time of its edge.
            report_first: report the first value, too.
        """
        self.name = name
        self._contact = contact
        self._report = report
        self._first_pending = report_first

    def advance(self, now_ns: int) -> int:
        """Look at the contact; return when to come back.

        Raises:
            UnsettledError: it is disturbed.
            BusError: it cannot be read.
        """
        changes = self._contact.look()
        if self._first_pending and (value := self._contact.value) is not None:
            self._first_pending = False
            self._report(value, now_ns)
        else:
            for value, at_ns in changes:
                self._report(value, at_ns)
        if (reason := self._contact.disturbed) is not None:
            raise UnsettledError(*reason)
        return now_ns + LOOK_NS


class StateReport:
    """The state of a line, and the changes of it that are reported."""

    def __init__(self) -> None:
        self._state = "ok"
        self._limit = ChangeLimit(self._state)

    def due(self, state: str, reason: str, now_ns: int) -> str | None:
        """Take in the state and its reason; return the reason to report, or None."""
        if state != self._state:
            self._state = state
            self._limit.count()
        report = self._limit.due(state, now_ns)
        return None if report is None else report.reason(reason)


class LineTimer:
    """Comes back to lines when they are due, on the thread that calls `run`."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lines: list[tuple[TimedLine, StateReport]] = []
        self._changed = threading.Event()
        self._stopped = False

    @property
    def needed(self) -> bool:
        """Return whether there is a line to come back to."""
        return bool(self._lines)

    def add(self, line: TimedLine) -> None:
        """Add a line, before `run`."""
        self._lines.append((line, StateReport()))

    def wake(self) -> None:
        """Look at the lines now, because one of them has a new signal."""
        self._changed.set()

    def stop(self) -> None:
        """Make `run` return; the lines keep their levels."""
        self._stopped = True
        self._changed.set()

    def run(self, report: Callable[[str, str, str], None]) -> None:
        """Drive the lines until `stop` is called. Blocks.

        Args:
            report: called with a line's name, its new state ("failed", "disturbed" or
                "ok") and the reason, when the state changes.
        """
        while not self._stopped:
            self._changed.clear()  # first, so that no later change is missed
            due_ns = self.advance(report)
            wait_ns = None if due_ns is None else max(0, due_ns - self._clock())
            if not self._stopped:
                self._changed.wait(None if wait_ns is None else wait_ns / 1e9)

    def advance(self, report: Callable[[str, str, str], None]) -> int | None:
        """Do what is due on every line; return the next due time, None: never."""
        due_ns = [self._advance(line, state, report) for line, state in self._lines]
        return min((at_ns for at_ns in due_ns if at_ns is not None), default=None)

    def _advance(
        self,
        line: TimedLine,
        reported: StateReport,
        report: Callable[[str, str, str], None],
    ) -> int | None:
        now_ns = self._clock()
        state, reason = "ok", ""
        try:
            due_ns = line.advance(now_ns)
        except UnsettledError as error:
            state, reason, due_ns = "disturbed", str(error), now_ns + LOOK_NS
        except BusError as error:
            state, reason, due_ns = "failed", str(error), now_ns + RETRY_NS
        if (why := reported.due(state, reason, now_ns)) is not None:
            report(line.name, state, why)
        return due_ns
