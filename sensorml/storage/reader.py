"""The journal's reader, while the journal is written or at rest."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import cast

from sensorml.errors import StoreError
from sensorml.files import shown, why_special
from sensorml.interfaces import Row
from sensorml.storage.checksum import damaged_ids
from sensorml.storage.corruption import DamageError, is_damage
from sensorml.storage.tables import (
    APPLICATION_ID,
    COLUMNS,
    KINDS,
    VERSION,
    columns_of,
    create_statement,
)


class Reader:
    """A read-only connection. Called on any thread, but one at a time.

    Every method raises StoreError when the file cannot be read now. A journal
    that was replaced (put aside as damaged, or deleted) is opened again. One
    that an older sensorml wrote reads as empty for the kinds it lacks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._incomplete = False
        self._selects: dict[str, str] = {}
        self.damaged: AbstractSet[int] = frozenset()
        """The ids of rows of the last read that differ from what was written."""
        self._db: sqlite3.Connection | None = None

    @classmethod
    def open(cls, path: Path) -> Reader:
        """Open a journal.

        Raises:
            StoreError: it is missing, is not a journal, or is of a newer version.
        """
        reader = cls(path)
        reader._all("PRAGMA user_version", ())
        return reader

    def rows(self, kind: str, after_id: int, limit: int) -> list[Row]:
        """Return up to `limit` rows with an id above `after_id`; the id comes last.

        Bytes that are not UTF-8 are U+FFFD.
        """
        rows = self.raw_rows(kind, after_id, limit)
        return [_readable(row) for row in rows] if self.damaged else rows

    def raw_rows(self, kind: str, after_id: int, limit: int) -> list[Row]:
        """Return the same rows; bytes that are not UTF-8 are surrogates."""
        self._connection()
        found = self._all(self._selects[kind], (after_id, limit))
        crcs = [row[-1] for row in found]
        rows = [row[:-1] for row in found]
        self.damaged = damaged_ids(kind, rows, crcs)
        return rows

    def last_id(self, kind: str) -> int:
        """Return the id of the newest row; 0 if there is none."""
        return self._number(f"SELECT max(id) FROM {kind}", ())  # noqa: S608 - a name from KINDS

    def offset(self, sink: str, kind: str) -> int:
        """Return the id of the last row that the sink has acknowledged; 0 if none."""
        sql = "SELECT max(id) FROM offset WHERE sink = ? AND kind = ?"
        return self._number(sql, (sink, kind))

    def restoring(self, kind: str) -> int:
        """Return the id below which rows are still being saved; 0 if none are."""
        if self._incomplete:
            return 0
        sql = "SELECT max(last_id) FROM restoring WHERE kind = ?"
        return self._number(sql, (kind,))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _number(self, sql: str, values: Sequence[str]) -> int:
        [(number,)] = self._all(sql, values)
        return number if isinstance(number, int) else 0

    def _all(self, sql: str, values: Sequence[str | int]) -> list[Row]:
        try:
            try:
                return self._connection().execute(sql, values).fetchall()
            except sqlite3.OperationalError as err:
                if "decode" not in str(err):
                    raise
            return self._all_damaged(sql, values)
        except sqlite3.DatabaseError as err:
            self.close()
            error = DamageError if is_damage(err) else StoreError
            raise error(f"{self._path}: cannot be read now: {err}") from err

    def _all_damaged(self, sql: str, values: Sequence[str | int]) -> list[Row]:
        """Read rows of which some have text that is not UTF-8."""
        db = self._connection()
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.text_factory = str

    def _connection(self) -> sqlite3.Connection:
        """Return a connection to the file that has this path now."""
        try:
            inode = self._path.stat().st_ino
        except OSError as err:
            self.close()
            raise StoreError(
                f"{shown(self._path)}: {err.strerror}: name the journal of a service "
                "that has run"
            ) from err
        # Tables that an older journal lacks may have been created meanwhile.
        if self._db is None or inode != self._inode or self._incomplete:
            self.close()
            _check(self._path)
            self._db, self._inode = connect(self._path), inode
            self._prepare(self._db)
        return self._db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Create tables that the file lacks, empty and in memory."""
        existing = columns_of(db)
        missing = [kind for kind in KINDS if kind not in existing]
        if missing:
            db.execute("PRAGMA temp_store = MEMORY")
        for kind in missing:
            db.execute(create_statement(kind, "temp"))
        old = [k for k in KINDS if k in existing and "crc" not in existing[k]]
        self._selects = {kind: _select(kind, crc=kind not in old) for kind in KINDS}
        self._incomplete = bool(missing or old)


def _select(kind: str, *, crc: bool) -> str:
    columns = ", ".join(COLUMNS[kind])
    return (
        f"SELECT {columns}, id, {'crc' if crc else 'NULL'} FROM {kind} "  # noqa: S608 - names from the row types
        "WHERE id > ? ORDER BY id LIMIT ?"
    )


def _check(path: Path) -> None:
    """Refuse what SQLite would wait for, or would refuse without a reason.

    Raises:
        StoreError: it is no regular file, or may not be read.
    """
    if why := why_special(path):
        raise StoreError(f"{shown(path)}: {why}: name the journal's file")
    if not os.access(path, os.R_OK):
        what = "cannot be read (Permission denied): check its permissions"
        raise StoreError(f"{path}: {what}")


def row_id(row: Row) -> int:
    """Return the id of a row of `Reader.rows`."""
    return cast("int", row[-1])


def _readable(row: Row) -> Row:
    return tuple(
        value.encode(errors="surrogateescape").decode(errors="replace")
        if isinstance(value, str)
        else value
        for value in row
    )


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal for reading only; raises StoreError if it is none."""
    # A WAL reader needs a shared-memory file, which cannot be created in a
    # read-only folder. Without a -wal file nothing is written, and
    # `immutable` needs none.
    at_rest = not path.with_name(path.name + "-wal").exists()
    problem = ""
    for mode in ("mode=ro", "immutable=1") if at_rest else ("mode=ro",):
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
            if is_damage(err):
                raise DamageError(
                    f"{path}: is not a journal that can be read: {err}"
                ) from err
            problem = str(err)
            continue
        if application == APPLICATION_ID and version <= VERSION:
            return db
        db.close()
        if application != APPLICATION_ID:
            problem = "another program wrote it"
        else:
            problem = f"a newer sensorml wrote it (version {version}): upgrade this one"
        break
    raise StoreError(f"{path}: is not a journal that can be read: {problem}")
