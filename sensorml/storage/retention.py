"""Keeping the journal under its cap: what goes first when the disk is to last.

Old predictions are thinned, then the oldest are dropped, then timings and the
counts of sensors; events and alarms go last. Everything works in chunks of ids,
oldest first, so that one step stays short however large the file is.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Final

from sensorml.types import State

_DROP_ORDER: Final = ("prediction", "timing", "sensor", "event", "alarm")
_CHUNK_IDS: Final = 20_000
_KEEP_EVERY: Final = 3
"""SQLite merges a page with its neighbours only when it is two thirds empty:
deleting every second row would free no page at all."""


class Retention:
    """How much the journal may hold, and how far its predictions are thinned."""

    def __init__(self, max_mb: float) -> None:
        self._max_bytes = max_mb * 1e6
        self._thinned_to = 0
        self.thinned = 0
        """Predictions deleted from between others, since the journal was opened."""
        self.dropped: Counter[str] = Counter()
        """Oldest rows deleted, by kind, since the journal was opened."""

    def exceeded(self, db: sqlite3.Connection) -> bool:
        [pages] = db.execute("PRAGMA page_count").fetchone()
        [free] = db.execute("PRAGMA freelist_count").fetchone()
        [size] = db.execute("PRAGMA page_size").fetchone()
        return bool((pages - free) * size > self._max_bytes)

    def trim(self, db: sqlite3.Connection) -> None:
        """Delete one chunk, in the caller's transaction."""
        first, last = _bounds(db, "prediction")
        quarter = first + (last - first) // 4
        start = max(first, self._thinned_to)
        if start < quarter:
            stop = min(quarter, start + _chunk(first, last))
            self.thinned += db.execute(
                "DELETE FROM prediction WHERE id >= ? AND id < ? "
                "AND state = ? AND id % ? <> 0",
                (start, stop, State.NORMAL.value, _KEEP_EVERY),
            ).rowcount
            self._thinned_to = stop
            return
        for kind in _DROP_ORDER:
            first, last = _bounds(db, kind)
            if last > 0:
                self.dropped[kind] += db.execute(
                    f"DELETE FROM {kind} WHERE id < ?",  # noqa: S608 - a name from KINDS
                    (min(first + _chunk(first, last), last),),
                ).rowcount
                return

    def __str__(self) -> str:
        """Say what has been deleted.

        >>> retention = Retention(512)
        >>> retention.thinned, retention.dropped["timing"] = 20, 3
        >>> print(retention)
        full (512 MB): thinned old predictions by 20 rows; dropped 3 old timing rows
        """
        parts = []
        if self.thinned:
            parts.append(f"thinned old predictions by {self.thinned} rows")
        parts += [f"dropped {n} old {k} rows" for k, n in self.dropped.items() if n]
        return f"full ({self._max_bytes / 1e6:g} MB): {'; '.join(parts)}"


def _bounds(db: sqlite3.Connection, kind: str) -> tuple[int, int]:
    """Return the first and the last id there is, or (0, 0)."""
    # Two look-ups in the b-tree; min and max in one SELECT would read it all.
    [first] = db.execute(f"SELECT min(id) FROM {kind}").fetchone()  # noqa: S608
    [last] = db.execute(f"SELECT max(id) FROM {kind}").fetchone()  # noqa: S608
    return first or 0, last or 0


def _chunk(first: int, last: int) -> int:
    return min(_CHUNK_IDS, (last - first) // 16 + 1)
