"""Rows on their way to the journal: made by any thread, taken by one task.

Making a row never waits for storage. What storage cannot take for long is
bounded here: the oldest predictions go first and are counted; all others are
few and stay.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sensorml.clock import WallClock
from sensorml.interfaces import Row

log = logging.getLogger("sensorml")

MAX_PREDICTIONS: Final = 50_000
"""About four hours of one model at three windows a second, 20 MB."""

_QUIET: Final = frozenset(
    {
        *("ok", "normal", "disarmed", "starting", "running", "ended", "stopped"),
        *("opening", "accelerated", "cpu"),
    }
)
"""States that people need not hurry for: logged as information."""


class Outbox:
    """Pending rows by kind, stamped with the wall clock as it stood.

    A lock makes "read the clock's offset, add the row" one step, so that a
    step of the wall clock falls between two rows, never into one.
    """

    def __init__(self, wall: WallClock, *, urgent: Callable[[], None]) -> None:
        self.wall = wall
        self.dropped = 0
        """Predictions lost because the journal took nothing for too long."""
        self._urgent = urgent
        self._lock = threading.Lock()
        self._rows: dict[str, list[Row]] = {}

    def predictions(self, make: Callable[[int], Sequence[Row]]) -> None:
        """Add the rows that `make` returns for the present clock offset in ns."""
        with self._lock:
            rows = self._rows.setdefault("prediction", [])
            rows += make(self.wall.offset_ns)
            self._trim(rows)

    def timing(self, make: Callable[[int], Sequence[Row]]) -> None:
        """Add the rows that `make` returns, as for predictions."""
        self._few("timing", make)

    def sensors(self, make: Callable[[int], Sequence[Row]]) -> None:
        """Add the rows that `make` returns, as for predictions."""
        self._few("sensor", make)

    def alarm(
        self,
        at_ns: int,
        *,
        alarm: str,
        sensor: str,
        model: str,
        state: str,
        previous: str,
        reason: str,
        score: float | None = None,
        threshold: float | None = None,
    ) -> None:
        """Add one alarm transition that happened at monotonic `at_ns`; log it."""
        with self._lock:
            self._rows.setdefault("alarm", []).append(
                (
                    at_ns + self.wall.offset_ns,
                    alarm,
                    sensor,
                    model,
                    state,
                    previous,
                    reason,
                    score,
                    threshold,
                )
            )
        _log("alarm", alarm, state, previous, reason)
        self._urgent()

    def event(
        self,
        *,
        at_ns: int | None = None,
        kind: str,
        subject: str,
        state: str,
        previous: str = "",
        detail: str = "",
        value: float | None = None,
    ) -> None:
        """Add one event that happened at monotonic `at_ns`, or now; log it."""
        if at_ns is None:
            at_ns = time.monotonic_ns()
        with self._lock:
            self._rows.setdefault("event", []).append(
                (
                    at_ns + self.wall.offset_ns,
                    kind,
                    subject,
                    state,
                    previous,
                    detail,
                    value,
                )
            )
        _log(kind, subject, state, previous, detail)
        self._urgent()

    def take(self) -> tuple[Mapping[str, Sequence[Row]], int]:
        """Return all rows, and by how many ns the wall clock was stepped since.

        The rows taken carry the time as it stands after the step.
        """
        with self._lock:
            rows, self._rows = self._rows, {}
            moved_ns = self.wall.check()
        if not moved_ns:
            return rows, 0
        return {kind: _moved(kind, rows[kind], moved_ns) for kind in rows}, moved_ns

    def put_back(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Return rows that could not be stored; they go first next time."""
        with self._lock:
            for kind, older in rows.items():
                newer = self._rows.get(kind, [])
                self._rows[kind] = kept = [*older, *newer]
                if kind == "prediction":
                    self._trim(kept)

    def _few(self, kind: str, make: Callable[[int], Sequence[Row]]) -> None:
        with self._lock:
            if rows := make(self.wall.offset_ns):
                self._rows.setdefault(kind, []).extend(rows)

    def _trim(self, rows: list[Row]) -> None:
        over = len(rows) - MAX_PREDICTIONS
        if over > 0:
            del rows[:over]
            self.dropped += over


def _moved(kind: str, rows: Sequence[Row], moved_ns: int) -> list[Row]:
    from sensorml.storage.tables import COLUMNS, INSTANTS

    instants = [column in INSTANTS for column in COLUMNS[kind]]
    return [
        tuple(
            value + moved_ns if instant and isinstance(value, int) else value
            for value, instant in zip(row, instants, strict=True)
        )
        for row in rows
    ]


def _log(kind: str, subject: str, state: str, previous: str, detail: str) -> None:
    level = logging.INFO if state in _QUIET else logging.WARNING
    change = f"{previous} → {state}" if previous else state
    log.log(
        level, "%s %s: %s%s", kind, subject, change, f": {detail}" if detail else ""
    )
