"""timer: say what this is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from sensorml.alarms.line import Drivable
from sensorml.errors import BusError

RETRY_NS: Final = 1_000_000_000
"""Between attempts at a line that cannot be driven."""
LOOK_NS: Final = 1_000_000_000
"""Between looks at an input."""


class Readable(Protocol):
    """An input, as `buses.gpio` opens them."""

    @property
    def value(self) -> bool: ...


class Timed(Protocol):
    """A line that changes by itself."""

    name: str

    def advance(self, now_ns: int) -> int | None:
        """Do what is due; return when to come back, None: when told.

        Raises:
            BusError: the line cannot be driven.
        """
        ...


class Heartbeat:
    """Toggles a line as long as data moves; then the line is still, high or low.

    Wire it through a capacitor to a retriggerable monostable (or to a watchdog
    relay's input), whose relay holds the machine's release: it drops out when
    the beat stops, however the line stopped, and when the power goes.
    """

    def __init__(
        self,
        output: Drivable,
        progress: Callable[[], int],
        *,
        period_s: float,
        timeout_s: float,
    ) -> None:
        """Make it.

        Args:
            output: the line.
            progress: a count that moves when the engine has taken in a block.
            period_s: of high and low together.
            timeout_s: so long without progress, and the line is still.
        """
        self.name = "heartbeat"
        self._output = output
        self._progress = progress
        self._half_ns = round(period_s * 1e9 / 2)
        self._timeout_ns = round(timeout_s * 1e9)
        self._seen = progress()
        self._moved_ns: int | None = None
        self._due_ns = 0
        self._level = False

    def advance(self, now_ns: int) -> int:
        """Toggle when it is due and data has moved; return when to come back."""
        if now_ns < self._due_ns:
            return self._due_ns
        progress = self._progress()
        if progress != self._seen:
            self._seen, self._moved_ns = progress, now_ns
        moved_ns = self._moved_ns
        if moved_ns is not None and now_ns - moved_ns <= self._timeout_ns:
            self._output.set(not self._level)
            self._level = not self._level
        self._due_ns = now_ns + self._half_ns
        return self._due_ns


class Contact:
    """An input that is looked at every second too, should the kernel lose an edge.

    A level is told when two looks in a row have found it: bounces do not last. To be
    told what is known already must do no harm.
    """

    def __init__(
        self, name: str, contact: Readable, told: Callable[[bool, int], None]
    ) -> None:
        """Make it; `told` is called with the level and the time of the look."""
        self.name = name
        self._contact = contact
        self._told = told
        self._seen: bool | None = None
        self._due_ns = 0

    def advance(self, now_ns: int) -> int:
        """Look when it is due; return when to come back."""
        if now_ns >= self._due_ns:
            before, self._seen = self._seen, self._contact.value
            if self._seen is before:
                self._told(self._seen, now_ns)
            self._due_ns = now_ns + LOOK_NS
        return self._due_ns


class LineTimer:
    """Comes back to lines when it is time; owns its thread while it runs."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._lines: list[Timed] = []
        self._failing: set[str] = set()
        self._changed = threading.Event()
        self._stopped = False

    @property
    def needed(self) -> bool:
        """Whether there is a line to come back to."""
        return bool(self._lines)

    def add(self, line: Timed) -> None:
        """Take a line in, before it runs."""
        self._lines.append(line)

    def wake(self) -> None:
        """Look at the lines now: one has something else to show."""
        self._changed.set()

    def stop(self) -> None:
        """Let `run` return. The lines stay as they are."""
        self._stopped = True
        self._changed.set()

    def run(self, report: Callable[[str, str, str], None]) -> None:
        """Drive the lines until `stop`. Blocks.

        Args:
            report: called with a line's name, "failed" or "ok", and why, when
                the one becomes the other.
        """
        while not self._stopped:
            self._changed.clear()  # first: what changes from here on is seen
            due_ns = self.advance(report)
            wait_ns = None if due_ns is None else max(0, due_ns - self._clock())
            if not self._stopped:
                self._changed.wait(None if wait_ns is None else wait_ns / 1e9)

    def advance(self, report: Callable[[str, str, str], None]) -> int | None:
        """Do what is due on every line; return when the next is, None: never."""
        due_ns = [self._advance(line, report) for line in self._lines]
        return min((at_ns for at_ns in due_ns if at_ns is not None), default=None)

    def _advance(
        self, line: Timed, report: Callable[[str, str, str], None]
    ) -> int | None:
        now_ns = self._clock()
        try:
            due_ns = line.advance(now_ns)
        except BusError as error:
            if line.name not in self._failing:
                self._failing.add(line.name)
                report(line.name, "failed", str(error))
            return now_ns + RETRY_NS
        if line.name in self._failing:
            self._failing.discard(line.name)
            report(line.name, "ok", "")
        return due_ns
