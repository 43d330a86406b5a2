"""The recovery of a damaged journal: its good rows are saved, and then it is removed.

While rows are being saved, the table `restoring` has the ids below which a kind may
still lack rows that must be sent; deliveries in order wait for them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sensorml.storage.corruption import beside
from sensorml.storage.salvage import (
    ENDLESS,
    Batch,
    Hole,
    Salvage,
    copy_other_tables,
    insert_rows,
    newest_ids,
)
from sensorml.storage.tables import KINDS

_KEPT_FILES: Final = 2
_KEPT_SHARE: Final = 0.1
"""Of `max_mb`, for damaged files after their rows are saved."""
_NAMED: Final = 5

Transaction = Callable[[Callable[[sqlite3.Connection], None]], None]


class Recovery:
    """Saves the rows of damaged files into the journal at `path`, one after another."""

    def __init__(self, path: Path, max_bytes: float) -> None:
        self._path = path
        self._kept_bytes = max_bytes * _KEPT_SHARE
        self._salvage: Salvage | None = None
        self._batches: Iterator[Batch] = iter(())
        self._files: list[str] = []

    def begin(
        self, db: sqlite3.Connection, aside: Path, last: Mapping[str, int]
    ) -> dict[str, int]:
        """Prepare a new journal; return the ids from which it continues.

        Ids that cannot be read from the damaged file are followed by far higher ones.
        """
        newest = newest_ids(aside)
        if newest is None and not any(last.values()):
            now_s = int(datetime.now(UTC).timestamp())
            newest = dict.fromkeys(KINDS, max(now_s, 1) << 16)
        newest = newest or {}
        ids = {kind: max(last[kind], newest.get(kind, 0)) for kind in KINDS}
        db.execute("BEGIN IMMEDIATE")
        copy_other_tables(aside, db)
        db.executemany(
            "INSERT OR REPLACE INTO restoring VALUES (?, ?, ?)",
            [(aside.name, kind, id_) for kind, id_ in ids.items()],
        )
        db.execute("COMMIT")
        return ids

    def resume(self, db: sqlite3.Connection) -> None:
        """Find the files of which rows are still to be saved."""
        self._salvage = None
        rows = db.execute(
            "SELECT DISTINCT file FROM restoring ORDER BY file"
        ).fetchall()
        self._files = [file for (file,) in rows]

    @property
    def pending(self) -> bool:
        return bool(self._files)

    def step(self, db: sqlite3.Connection, transaction: Transaction) -> str:
        """Save some rows; return a message when a file is done, else "".

        Raises:
            StoreError: they could not be written; the next step begins again.
        """
        file = self._files[0]
        if self._salvage is None:
            self._salvage = Salvage(self._path.with_name(file), _lowest_offsets(db))
            self._batches = self._salvage.batches()
        salvage = self._salvage
        self._salvage = None  # begins again unless this step succeeds
        batch = None
        with suppress(OSError, sqlite3.DatabaseError):  # the file has gone
            batch = next(self._batches, None)

        def save(db: sqlite3.Connection) -> None:
            if batch is not None:
                salvage.saved += insert_rows(db, batch)
                db.executemany(
                    "DELETE FROM restoring WHERE file = ? AND kind = ?",
                    [(file, kind) for kind in batch.complete],
                )
            else:
                db.execute("DELETE FROM restoring WHERE file = ?", (file,))

        transaction(save)
        if batch is not None:
            self._salvage = salvage
            return ""
        del self._files[0]
        kept = self._limit_files()
        with suppress(OSError):
            beside(salvage.path, "-shm").unlink(missing_ok=True)
        losses = _losses(_missing(db, salvage))
        what = f"{salvage.saved:,} rows of {file} are saved{losses}"
        return what if kept else f"{what}; the damaged file is deleted, to save space"

    def _limit_files(self) -> bool:
        """Delete damaged files that are too many or too large; keep the newest.

        Return whether the newest is kept.
        """
        files = sorted(self._path.parent.glob(f"{self._path.name}.corrupt-*Z"))
        size, kept = 0, 0
        for file in reversed(files):
            parts = [beside(file, suffix) for suffix in ("", "-wal", "-shm")]
            with suppress(OSError):
                size += sum(part.stat().st_size for part in parts if part.exists())
            if file.name in self._files:
                continue
            if kept < _KEPT_FILES and size <= self._kept_bytes:
                kept += 1
                continue
            with suppress(OSError):
                for part in parts:
                    part.unlink(missing_ok=True)
        return kept > 0


def _lowest_offsets(db: sqlite3.Connection) -> dict[str, int]:
    """Return the id up to which every sink has the rows of a kind."""
    rows = db.execute("SELECT kind, min(id) FROM offset GROUP BY kind").fetchall()
    return dict(rows)


def _missing(db: sqlite3.Connection, salvage: Salvage) -> dict[Hole, int]:
    """Return the ranges of ids of which rows are lost, and how many at most."""
    missing = {}
    for hole in salvage.lost:
        [saved] = db.execute(
            f"SELECT count(*) FROM {hole.kind} WHERE id > ? AND id < ?",  # noqa: S608 - a name from KINDS
            (hole.first, hole.last),
        ).fetchone()
        if saved < hole.last - hole.first - 1:
            missing[hole] = hole.last - hole.first - 1 - saved
    return missing


def _losses(lost: Mapping[Hole, int]) -> str:
    """Return the rows that are lost, for a message.

    >>> _losses({Hole("event", 3, 5): 1, Hole("timing", 9, 20): 9})
    '; up to 10 rows are lost: event 4, timing 10 to 19'
    >>> _losses({Hole("alarm", 0, ENDLESS): ENDLESS})
    '; what else it held is not known'
    """
    known = [hole for hole in lost if hole.last != ENDLESS]
    text = ""
    if known:
        count = sum(lost[hole] for hole in known)
        named = ", ".join(
            f"{hole.kind} {hole.first + 1}"
            + (f" to {hole.last - 1}" if hole.last > hole.first + 2 else "")
            for hole in known[:_NAMED]
        )
        more = " …" if len(known) > _NAMED else ""
        text = f"; up to {count:,} rows are lost: {named}{more}"
    if len(known) < len(lost):
        text += "; what else it held is not known"
    return text
