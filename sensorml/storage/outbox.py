"""Rows on their way to the journal: added by any thread, taken by one task.

Adding a row never waits for storage. What is kept while storage fails is
bounded: the oldest predictions are dropped first and counted; rows of other
kinds are few and all kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sensorml.interfaces import Row
from sensorml.storage.rows import (
    AlarmRow,
    BoxRow,
    EventRow,
    FeatureRow,
    PredictionRow,
    SensorRow,
    SinkRow,
    TimingRow,
)

log = logging.getLogger("sensorml")

MAX_PREDICTIONS: Final = 50_000
"""About four hours of one model at three windows a second, 20 MB."""

_QUIET: Final = frozenset(
    {
        *("ok", "normal", "disarmed", "starting", "running", "ended", "stopped"),
        *("opening", "accelerated", "cpu", "acknowledged"),
    }
)
"""States that need no quick reaction: logged as information."""


class Outbox:
    """Pending rows by kind, their instants on the monotonic clock.

    The wall clock is added when they are written, so that a step of it until
    then needs no correction.
    """

    def __init__(self, *, urgent: Callable[[], None]) -> None:
        """Make an empty outbox that calls `urgent` after each alarm and event."""
        self.dropped = 0
        """Predictions lost because the journal took nothing for too long."""
        self._urgent = urgent
        self._lock = threading.Lock()
        self._rows: dict[str, list[Row]] = {}

    def __len__(self) -> int:
        """Return the number of pending rows."""
        with self._lock:
            return sum(map(len, self._rows.values()))

    def predictions(self, rows: Sequence[PredictionRow]) -> None:
        with self._lock:
            pending = self._rows.setdefault("prediction", [])
            pending += rows
            self._trim(pending)

    def timing(self, rows: Sequence[TimingRow]) -> None:
        self._add("timing", rows)

    def sensors(self, rows: Sequence[SensorRow]) -> None:
        self._add("sensor", rows)

    def features(self, rows: Sequence[FeatureRow]) -> None:
        self._add("feature", rows)

    def box(self, row: BoxRow, sinks: Sequence[SinkRow]) -> None:
        self._add("box", [row])
        self._add("sink", sinks)

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
        row = AlarmRow(
            at_ns, alarm, sensor, model, state, previous, reason, score, threshold
        )
        self._add("alarm", [row])
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
        row = EventRow(at_ns, kind, subject, state, previous, detail, value)
        self._add("event", [row])
        _log(kind, subject, state, previous, detail)
        self._urgent()

    def take(self) -> Mapping[str, Sequence[Row]]:
        """Remove and return all rows by kind, oldest first."""
        with self._lock:
            rows, self._rows = self._rows, {}
        return rows

    def put_back(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Return rows that could not be stored; they come first next time."""
        with self._lock:
            for kind, older in rows.items():
                newer = self._rows.get(kind, [])
                self._rows[kind] = pending = [*older, *newer]
                if kind == "prediction":
                    self._trim(pending)

    def _add(self, kind: str, rows: Sequence[Row]) -> None:
        if rows:
            with self._lock:
                self._rows.setdefault(kind, []).extend(rows)

    def _trim(self, predictions: list[Row]) -> None:
        over = len(predictions) - MAX_PREDICTIONS
        if over > 0:
            del predictions[:over]
            self.dropped += over


def _log(kind: str, subject: str, state: str, previous: str, detail: str) -> None:
    level = logging.INFO if state in _QUIET else logging.WARNING
    change = f"{previous} → {state}" if previous else state
    log.log(
        level, "%s %s: %s%s", kind, subject, change, f": {detail}" if detail else ""
    )
