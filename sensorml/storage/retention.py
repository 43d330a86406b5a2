"""The journal's size limit, and the order in which old rows are deleted.

Old predictions are thinned first, then the oldest are deleted, then features, timings
and the counts of sensors, sinks and the box; events and alarms go last. Rows are
deleted in chunks of ids, oldest first, so that one step stays short in a file of any
size.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Final

from sensorml.types import State

_DROP_ORDER: Final = (
    *("prediction", "feature", "timing", "sensor", "sink", "box", "event", "alarm"),
)
_CHUNK_IDS: Final = 20_000
_KEEP_EVERY: Final = 3
"""SQLite merges a page with its neighbours only when it is two thirds empty, so
deleting every second row would free no page."""


class Retention:
    """The size limit of a journal, and how far its predictions are thinned."""

    def __init__(self, max_mb: float) -> None:
        self.max_bytes = max_mb * 1e6
        self._thinned_to = 0
        self.thinned = 0
        """Predictions deleted from between others, since the journal was opened."""
        self.dropped: Counter[str] = Counter()
        """Oldest rows deleted, by kind, since the journal was opened."""

    def exceeded(self, db: sqlite3.Connection) -> bool:
        """Return whether the file, without its free pages, is above the limit."""
        [pages] = db.execute("PRAGMA page_count").fetchone()
        [free] = db.execute("PRAGMA freelist_count").fetchone()
        [size] = db.execute("PRAGMA page_size").fetchone()
        return bool((pages - free) * size > self.max_bytes)

    def trim(self, db: sqlite3.Connection) -> None:
        """Delete one chunk of rows, in the caller's transaction."""
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
        """Return what has been deleted, for a message.

        >>> retention = Retention(512)
        >>> retention.thinned, retention.dropped["timing"] = 20, 3
        >>> print(retention)
        full (512 MB): thinned old predictions by 20 rows; dropped 3 old timing rows
        """
        parts = []
        if self.thinned:
            parts.append(f"thinned old predictions by {self.thinned} rows")
        parts += [f"dropped {n} old {k} rows" for k, n in self.dropped.items() if n]
        return f"full ({self.max_bytes / 1e6:g} MB): {'; '.join(parts)}"


def _bounds(db: sqlite3.Connection, kind: str) -> tuple[int, int]:
    """Return the first and the last id, or (0, 0) without rows."""
    # Two look-ups in the b-tree; min and max in one SELECT would read the table.
    [first] = db.execute(f"SELECT min(id) FROM {kind}").fetchone()  # noqa: S608
    [last] = db.execute(f"SELECT max(id) FROM {kind}").fetchone()  # noqa: S608
    return first or 0, last or 0


def _chunk(first: int, last: int) -> int:
    return min(_CHUNK_IDS, (last - first) // 16 + 1)
