"""The journal's writer: one connection, one transaction for each call.

WAL with synchronous=NORMAL: appended rows survive a kill of the process; a
power cut can lose the last commits and never damages the file. Commits wear an
SD card, so callers gather rows and append about once a second.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from sensorml.errors import StoreError
from sensorml.files import shown, why_special
from sensorml.interfaces import Row
from sensorml.storage.corruption import beside, is_damage, put_aside, verdict_on
from sensorml.storage.letters import add_letters
from sensorml.storage.retention import Retention
from sensorml.storage.rows import Letter
from sensorml.storage.tables import (
    APPLICATION_ID,
    INSTANTS,
    KINDS,
    VERSION,
    create_statements,
    insert_statement,
)

_INSERT: Final = {kind: insert_statement(kind) for kind in KINDS}
_NEWEST: Final = {kind: f"SELECT max(id) FROM {kind}" for kind in KINDS}  # noqa: S608 - names from KINDS
_CHECK_WHOLE_BYTES: Final = 32_000_000
_CHECK_SIZE_ROWS: Final = 2_000
_TRIM_CHUNKS: Final = 64
_REPORT_FULL_S: Final = 3600.0


class Journal:
    """The only writer of a journal. Blocking; always called on one thread."""

    def __init__(
        self,
        path: Path,
        retention: Retention,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.retention = retention
        self.incidents: list[str] = []
        """Messages about damage and cleaning; the caller takes them out."""
        self._monotonic = monotonic
        self._full_reported_s = float("-inf")
        self._unchecked_rows = _CHECK_SIZE_ROWS
        self._last = dict.fromkeys(KINDS, 0)
        self._acknowledged: dict[tuple[str, str], int] = {}
        self._letters: list[tuple[str, Letter]] = []
        self._inode = 0
        self._db: sqlite3.Connection | None = None

    @classmethod
    def open(cls, path: Path, *, max_mb: float = 512) -> Self:
        """Open or create the journal; a damaged file is put aside.

        Raises:
            StoreError: the file or its folder cannot be written, or the file
                is of another program or of a newer version.
        """
        _bind_numpy_scalars()
        journal = cls(path, Retention(max_mb))
        journal._connect(check=True)
        journal._limit_size()
        return journal

    def append(self, rows: Mapping[str, Sequence[Row]], *, offset_ns: int = 0) -> None:
        """Write rows of any kinds, and pending offsets, in one transaction.

        `offset_ns` turns their instants into UTC. NaN and the infinities
        become NULL.

        Raises:
            StoreError: nothing was written; keep the rows and try again.
        """

        def insert(db: sqlite3.Connection) -> None:
            for kind, added in rows.items():
                first = self._last[kind] + 1
                numbered = [
                    (id_, offset_ns, *row) for id_, row in enumerate(added, first)
                ]
                db.executemany(_INSERT[kind], numbered)

        self._transaction(insert)
        for kind, added in rows.items():
            self._last[kind] += len(added)
        self._unchecked_rows += sum(map(len, rows.values()))
        if self._unchecked_rows >= _CHECK_SIZE_ROWS:
            self._limit_size()

    def acknowledge(
        self,
        sink: str,
        kind: str,
        last_id: int | None,
        letters: Sequence[Letter] = (),
    ) -> None:
        """Note a sink's offset and letters; the next append or flush writes them."""
        if last_id is not None:
            self._acknowledged[sink, kind] = last_id
        self._letters += [(sink, letter) for letter in letters]

    def restamp(self, delta_ns: int, since: Mapping[str, int]) -> None:
        """Shift the times of rows written before the wall clock was stepped.

        Rows up to the id `since[kind]`, and those that a sink has acknowledged,
        keep their times, because copies of them are elsewhere already.
        """

        def shift(db: sqlite3.Connection) -> None:
            for kind, instants in INSTANTS.items():
                sets = ", ".join(f"{c} = {c} + :delta" for c in instants)
                db.execute(
                    f"UPDATE {kind} SET {sets} WHERE id > max(:since, "  # noqa: S608 - names from the row types
                    "(SELECT ifnull(max(id), 0) FROM offset WHERE kind = :kind))",
                    {"delta": delta_ns, "since": since.get(kind, 0), "kind": kind},
                )

        self._transaction(shift)

    def last_ids(self) -> Mapping[str, int]:
        """Return the id of the newest row of every kind; 0 before the first."""
        return dict(self._last)

    def verify(self) -> None:
        """Check the file, and put it aside if it is damaged.

        Raises:
            StoreError: it cannot be checked now.
        """
        try:
            verdict = verdict_on(self._connection())
        except sqlite3.DatabaseError as err:
            raise StoreError(f"{self.path}: cannot be checked: {err}") from err
        if verdict != "ok":
            self._put_aside(verdict)
            self._connect(check=False)

    def flush(self) -> None:
        """Write pending offsets; raises StoreError as `append` does."""
        if self._acknowledged or self._letters:
            self._transaction(lambda _: None)

    def close(self) -> None:
        """Write pending offsets if the disk allows it, and close the file."""
        with suppress(StoreError):
            self.flush()
        self._disconnect()

    def _transaction(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Write pending offsets and do `work` in one transaction."""
        try:
            self._attempt(work)
        except sqlite3.IntegrityError:
            # Another writer has used the next ids; `_connect` has read them again.
            self._attempt(work)
        except sqlite3.OperationalError as err:
            raise StoreError(
                f"{self.path}: cannot be written: {err}: free space on the disk or "
                "repair it"
            ) from err
        except sqlite3.DatabaseError as err:
            if not is_damage(err):
                raise
            self._put_aside(str(err))
            self._attempt(work)

    def _attempt(self, work: Callable[[sqlite3.Connection], None]) -> None:
        db = self._connection()
        done = False
        try:
            db.execute("BEGIN IMMEDIATE")
            if self._acknowledged:
                db.executemany(
                    "INSERT INTO offset VALUES (?, ?, ?) ON CONFLICT (sink, kind) "
                    "DO UPDATE SET id = max(id, excluded.id)",
                    [(*key, last_id) for key, last_id in self._acknowledged.items()],
                )
            add_letters(db, self._letters)
            work(db)
            db.execute("COMMIT")
            done = True
        finally:
            if not done:
                self._disconnect()  # rolls back
        self._acknowledged.clear()
        self._letters.clear()

    def _connection(self) -> sqlite3.Connection:
        """Return a connection to the file that has this path now."""
        if self._db is not None:
            try:
                inode = self.path.stat().st_ino
            except OSError:
                inode = 0
            if inode == self._inode:
                return self._db
            self._disconnect()
            self.incidents.append(
                f"{self.path} was deleted or replaced while the service ran: "
                "a new journal was created"
            )
        return self._connect(check=False)

    def _connect(self, *, check: bool) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise StoreError(
                f"{shown(self.path.parent)}: cannot be created ({err.strerror}): "
                "create it, or set [store] path"
            ) from err
        if why := why_special(self.path):
            raise StoreError(f"{shown(self.path)}: {why}: set [store] path to a file")
        doubtful = check and (beside(self.path, "-wal").exists() or self._is_small())
        db = None
        try:
            db = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False
            )
            if doubtful and (verdict := verdict_on(db)) != "ok":
                db.close()
                self._put_aside(verdict)
                return self._connect(check=False)
            self._prepare(db)
        except sqlite3.DatabaseError as err:
            if db is not None:
                db.close()
            if is_damage(err):
                self._put_aside(str(err))
                return self._connect(check=False)
            raise StoreError(
                f"{self.path}: cannot be opened: {err}: check the free space and that "
                "the folder can be written, or set [store] path"
            ) from err
        except StoreError:
            if db is not None:
                db.close()
            raise
        self._db, self._inode = db, self.path.stat().st_ino
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Create the tables that are missing; refuse a file that is not a journal."""
        [application] = db.execute("PRAGMA application_id").fetchone()
        [version] = db.execute("PRAGMA user_version").fetchone()
        [tables] = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and application != APPLICATION_ID:
            raise StoreError(
                f"{self.path}: is the database of another program: set [store] path"
            )
        if version > VERSION:
            raise StoreError(
                f"{self.path}: was written by a newer sensorml (version {version}, "
                f"this one reads up to {VERSION}): upgrade, or set [store] path"
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA journal_size_limit = 16000000")
        if not tables or version < VERSION:
            db.execute("BEGIN IMMEDIATE")
            for statement in create_statements():
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        # Ids continue from a file that this one replaces, because readers hold
        # offsets into it, and from the offsets, because all rows may be deleted.
        for kind in KINDS:
            [newest] = db.execute(_NEWEST[kind]).fetchone()
            [sent] = db.execute(
                "SELECT max(id) FROM offset WHERE kind = ?", (kind,)
            ).fetchone()
            self._last[kind] = max(self._last[kind], newest or 0, sent or 0)

    def _is_small(self) -> bool:
        return self.path.exists() and self.path.stat().st_size <= _CHECK_WHOLE_BYTES

    def _put_aside(self, damage: str) -> None:
        self._disconnect()
        self.incidents.append(put_aside(self.path, damage))

    def _disconnect(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.DatabaseError):
                self._db.close()  # rolls back what is open
            self._db = None

    def _limit_size(self) -> None:
        """Delete old rows if needed. Never raises, because the append has succeeded."""
        self._unchecked_rows = 0
        trimmed = False
        try:
            for _ in range(_TRIM_CHUNKS):
                if not self.retention.exceeded(self._connection()):
                    break
                trimmed = True
                self._transaction(self.retention.trim)
        except (StoreError, sqlite3.DatabaseError) as err:
            self.incidents.append(
                f"{self.path}: cannot be kept below [store] max_mb: {err}"
            )
        now = self._monotonic()
        if trimmed and now - self._full_reported_s >= _REPORT_FULL_S:
            self._full_reported_s = now
            self.incidents.append(f"{self.path} is {self.retention}")


def _bind_numpy_scalars() -> None:
    """Let rows hold NumPy scalars, which sqlite3 does not accept by itself."""
    import numpy as np

    sqlite3.register_adapter(np.float32, float)
    sqlite3.register_adapter(np.int32, int)
    sqlite3.register_adapter(np.int64, int)
