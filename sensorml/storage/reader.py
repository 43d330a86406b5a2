"""Reading the journal while it is written, or when it lies still."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from sensorml.errors import StoreError
from sensorml.interfaces import Row
from sensorml.storage.tables import (
    APPLICATION_ID,
    COLUMNS,
    KINDS,
    VERSION,
    create_statement,
)


class Reader:
    """Its own read-only connection. Any thread, but one at a time.

    Every method raises StoreError when the file cannot be read just now. A
    journal that was replaced (put aside as corrupt, deleted) is opened again.
    One that an older sensorml wrote has no rows of the kinds that it lacks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._lacking = False
        self._db: sqlite3.Connection | None = None

    @classmethod
    def open(cls, path: Path) -> Reader:
        """Open a journal.

        Raises:
            StoreError: it is missing, not a journal, or of a newer version.
        """
        reader = cls(path)
        reader._all("PRAGMA user_version", ())
        return reader

    def read(self, kind: str, after_id: int, limit: int) -> list[tuple[int, Row]]:
        """Return up to `limit` rows with an id above `after_id`, each with its id."""
        sql = (
            f"SELECT id, {', '.join(COLUMNS[kind])} FROM {kind} "  # noqa: S608 - names from the row types
            "WHERE id > ? ORDER BY id LIMIT ?"
        )
        return _numbered(self._all(sql, (after_id, limit)))

    def latest(self, kind: str, limit: int) -> list[tuple[int, Row]]:
        """Return the newest `limit` rows, oldest first, each with its id."""
        sql = (
            f"SELECT id, {', '.join(COLUMNS[kind])} FROM {kind} "  # noqa: S608 - names from the row types
            "ORDER BY id DESC LIMIT ?"
        )
        return _numbered(self._all(sql, (limit,)))[::-1]

    def rows(self, kind: str, after_id: int, limit: int) -> list[Row]:
        """Return what `read` returns, but each row with its id as its last value.

        It costs a sink with a long backlog less.
        """
        sql = (
            f"SELECT {', '.join(COLUMNS[kind])}, id FROM {kind} "  # noqa: S608 - names from the row types
            "WHERE id > ? ORDER BY id LIMIT ?"
        )
        return self._all(sql, (after_id, limit))

    def last_id(self, kind: str) -> int:
        """Return the id of the newest row there is; 0 for none."""
        return self._number(f"SELECT max(id) FROM {kind}", ())  # noqa: S608 - a name from KINDS

    def offset(self, sink: str, kind: str) -> int:
        """Return the id of the last row that the sink has acknowledged; or 0."""
        sql = "SELECT max(id) FROM offset WHERE sink = ? AND kind = ?"
        return self._number(sql, (sink, kind))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _number(self, sql: str, values: Sequence[str]) -> int:
        [(number,)] = self._all(sql, values)
        return number if isinstance(number, int) else 0

    def _all(self, sql: str, values: Sequence[str | int]) -> list[Row]:
        try:
            return self._connection().execute(sql, values).fetchall()
        except sqlite3.DatabaseError as err:
            self.close()
            raise StoreError(f"{self._path}: cannot be read now: {err}") from err

    def _connection(self) -> sqlite3.Connection:
        """Return a connection to the file that has the name now."""
        try:
            inode = self._path.stat().st_ino
        except OSError as err:
            self.close()
            raise StoreError(
                f"{self._path}: {err.strerror}: give the journal of a service that "
                "has run"
            ) from err
        # What an older journal lacks may have been made meanwhile.
        if self._db is None or inode != self._inode or self._lacking:
            self.close()
            self._db, self._inode = _connect(self._path), inode
            self._lacking = _stand_in(self._db)
        return self._db


def _stand_in(db: sqlite3.Connection) -> bool:
    """Make tables that the file lacks, empty and in memory; say if there are any."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    lacking = [kind for kind in KINDS if kind not in there]
    if lacking:
        db.execute("PRAGMA temp_store = MEMORY")
    for kind in lacking:
        db.execute(create_statement(kind, "temp"))
    return bool(lacking)


def _numbered(rows: list[Row]) -> list[tuple[int, Row]]:
    """Set the id, which comes first, apart from the columns."""
    with_id = cast("list[tuple[int, *tuple[object, ...]]]", rows)
    return [(row[0], row[1:]) for row in with_id]


def _connect(path: Path) -> sqlite3.Connection:
    # A folder we may not write to has no place for the shared-memory file that
    # a WAL reader needs. With no -wal nobody writes, and it can do without.
    still = not path.with_name(path.name + "-wal").exists()
    problem = ""
    for mode in ("mode=ro", "immutable=1") if still else ("mode=ro",):
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            [application] = db.execute("PRAGMA application_id").fetchone()
            [version] = db.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError as err:
            db.close()
            problem = str(err)
            continue
        if application == APPLICATION_ID and version <= VERSION:
            return db
        db.close()
        if application != APPLICATION_ID:
            problem = "another program made it"
        else:
            problem = f"a newer sensorml wrote it (version {version}): upgrade this one"
        break
    raise StoreError(f"{path}: not a journal that can be read: {problem}")
