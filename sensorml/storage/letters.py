"""Letters: the journal's list of rows that a sink has refused.

The rows stay in their tables; a letter is the range of their ids, and the reason.
`sensorml letters` lists and sends them, beside the running service.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.errors import StoreError
from sensorml.storage.reader import Reader
from sensorml.storage.rows import Letter

_MOST: Final = 100_000
"""Letters that are kept; the oldest are dropped first."""


class StoredLetter(NamedTuple):
    """A letter, with its id, its time in UTC and the name of its sink."""

    id: int
    time_ns: int
    sink: str
    letter: Letter


def add_letters(db: sqlite3.Connection, letters: Sequence[tuple[str, Letter]]) -> None:
    """Write letters of sinks, in the caller's transaction."""
    if not letters:
        return
    db.executemany(
        "INSERT OR REPLACE INTO letter (time_ns, sink, kind, first_id, last_id, rows, "
        "reason) VALUES (strftime('%s', 'now') * 1000000000, ?, ?, ?, ?, ?, ?)",
        [(sink, *letter) for sink, letter in letters],
    )
    db.execute(
        "DELETE FROM letter WHERE id <= (SELECT max(id) FROM letter) - ?", (_MOST,)
    )


class Letters:
    """The letters of a journal, read and deleted beside its writer."""

    def __init__(self, path: Path) -> None:
        """Prepare.

        Raises:
            StoreError: there is no journal that can be read.
        """
        self._path = path
        Reader.open(path).close()

    def list(self, *, sink: str | None = None) -> list[StoredLetter]:
        """Return the letters, oldest first."""
        with self._open() as db:
            rows = db.execute(
                "SELECT id, time_ns, sink, kind, first_id, last_id, rows, reason "
                "FROM letter WHERE sink = ifnull(?, sink) ORDER BY id",
                (sink,),
            ).fetchall()
        return [
            StoredLetter(id_, time_ns, of, Letter(*letter))
            for id_, time_ns, of, *letter in rows
        ]

    def drop(self, letters: Sequence[StoredLetter]) -> None:
        """Delete letters; their rows stay in the journal."""
        with self._open() as db:
            db.executemany(
                "DELETE FROM letter WHERE id = ?", [(letter.id,) for letter in letters]
            )
            db.commit()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self._path)
            try:
                yield db
            finally:
                db.close()
        except sqlite3.DatabaseError as err:
            if "no such table" in str(err):
                cure = "an older sensorml wrote it: start the service once"
            else:
                cure = "check the file and its permissions"
            raise StoreError(f"{self._path}: {err}: {cure}") from err
