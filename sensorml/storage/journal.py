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
from sensorml.interfaces import Row
from sensorml.storage.background_check import BackgroundCheck
from sensorml.storage.checksum import checksums, shift_instants
from sensorml.storage.corruption import is_damage, put_aside, verdict_on
from sensorml.storage.disk_faults import fault, size_of
from sensorml.storage.letters import add_letters
from sensorml.storage.opening import make_folder, open_journal
from sensorml.storage.ownership import Ownership
from sensorml.storage.recovery import Recovery
from sensorml.storage.retention import Retention
from sensorml.storage.rows import Letter
from sensorml.storage.sessions import note_closed, note_opened, unclean_since
from sensorml.storage.tables import INSTANTS, KINDS, insert_statement, stored

_INSERT: Final = {kind: insert_statement(kind) for kind in KINDS}
_NEWEST: Final = {kind: f"SELECT max(id) FROM {kind}" for kind in KINDS}  # noqa: S608 - names from KINDS
_CHECK_SIZE_ROWS: Final = 2_000
_CHECK_EVERY_S: Final = 86_400.0
_CHECK_NOW_BYTES: Final = 32_000_000
"""A journal up to this size is checked at once, a larger one beside the work."""
_REPORT_FULL_S: Final = 3600.0


class Journal:
    """The only writer of a journal. Blocking; always called on one thread."""

    def __init__(
        self,
        path: Path,
        retention: Retention,
        ownership: Ownership,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.retention = retention
        self.incidents: list[str] = []
        """Messages about damage and cleaning; the caller takes them out."""
        self._ownership = ownership
        self._monotonic = monotonic
        self._full_reported_s = float("-inf")
        self._unchecked_rows = _CHECK_SIZE_ROWS
        self._last = dict.fromkeys(KINDS, 0)
        self._acknowledged: dict[tuple[str, str], int] = {}
        self._letters: list[tuple[str, Letter]] = []
        self._inode = 0
        self._aside: Path | None = None
        self._recovery = Recovery(path, retention.max_bytes)
        self._check = BackgroundCheck(path)
        self._check_at_s = monotonic()
        self._db: sqlite3.Connection | None = None

    @classmethod
    def open(
        cls, path: Path, *, max_mb: float = 512, ownership: Ownership | None = None
    ) -> Self:
        """Open or create the journal; a damaged file is put aside.

        `ownership` may be taken already; it is taken here if not.

        Raises:
            StoreError: the file or its folder cannot be written, the file is of another
                program or of a newer version, or another process writes it.
        """
        journal = cls(path, Retention(max_mb), ownership or Ownership(path))
        opened = False
        try:
            db = journal._connect()
            if since := unclean_since(db):
                journal.incidents.append(f"{path} was not closed: {since}")
            journal._transaction(note_opened)
            opened = True
        finally:
            if not opened:
                journal._disconnect()
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
                    stored(kind, row, id_, offset_ns)
                    for id_, row in enumerate(added, first)
                ]
                crcs = checksums(kind, numbered)
                db.executemany(
                    _INSERT[kind],
                    [(*row, crc) for row, crc in zip(numbered, crcs, strict=True)],
                )

        self._transaction(insert)
        for kind, added in rows.items():
            self._last[kind] += len(added)
        self._unchecked_rows += sum(map(len, rows.values()))

    def maintain(self) -> bool:
        """Do one short step of what keeps the journal in order, between appends.

        Return whether there is more to do. Never raises, because appending must go on.
        """
        return self._limit_size() or self._recover() or self._check_whole()

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
            for kind in INSTANTS:
                db.execute(
                    f"UPDATE {kind} {shift_instants(kind)} WHERE id > max(:since, "  # noqa: S608 - names from the row types
                    "(SELECT ifnull(max(id), 0) FROM offset WHERE kind = :kind))",
                    {"delta": delta_ns, "since": since.get(kind, 0), "kind": kind},
                )

        self._transaction(shift)

    def last_ids(self) -> Mapping[str, int]:
        """Return the id of the newest row of every kind; 0 before the first."""
        return dict(self._last)

    def verify(self) -> None:
        """Check the file now or, if it is large, soon; put it aside if it is damaged.

        Raises:
            StoreError: it cannot be checked now.
        """
        try:
            db = self._connection()
            if size_of(self.path) > _CHECK_NOW_BYTES:
                self._check_at_s = self._monotonic()
                return
            verdict = verdict_on(db)
        except sqlite3.DatabaseError as err:
            raise StoreError(f"{self.path}: cannot be checked: {err}") from err
        if verdict != "ok":
            self._put_aside(verdict)
            self._connect()

    def repair(self, damage: str) -> None:
        """Put the file aside, and save all its good rows before it returns.

        Raises:
            StoreError: the new file cannot be written.
        """
        if not self._recovery.pending:  # the opening has found no damage
            self._put_aside(damage)
            self._connect()
        while self._recover():
            pass
        self.flush()

    def flush(self) -> None:
        """Write pending offsets; raises StoreError as `append` does."""
        if self._acknowledged or self._letters:
            self._transaction(lambda _: None)

    def close(self) -> None:
        """Write pending offsets if the disk allows it, and close the file."""
        with suppress(StoreError):
            self._transaction(note_closed)
        self._check.stop()
        self._disconnect()
        self._ownership.release()

    def _transaction(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Write pending offsets and do `work` in one transaction."""
        try:
            self._attempt(work)
        except sqlite3.IntegrityError:
            # Another writer has used the next ids; `_connect` has read them again.
            self._attempt(work)
        except sqlite3.OperationalError as err:
            raise fault(self.path, err) from err
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
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        make_folder(self.path)
        self._ownership.take()
        try:
            return self._use(open_journal(self.path))
        except sqlite3.DatabaseError as err:
            if not is_damage(err):
                raise fault(self.path, err) from err
            self._put_aside(str(err))
            return self._use(open_journal(self.path))

    def _use(self, db: sqlite3.Connection) -> sqlite3.Connection:
        self._db, self._inode = db, self.path.stat().st_ino
        self._continue_ids(db)
        if self._aside is not None:
            self._last = self._recovery.begin(db, self._aside, self._last)
            self._aside = None
        self._recovery.resume(db)
        return db

    def _continue_ids(self, db: sqlite3.Connection) -> None:
        """Continue from a file that this one replaces, and from the offsets.

        Readers hold offsets into a replaced file, and all rows may be deleted.
        """
        for kind in KINDS:
            [newest] = db.execute(_NEWEST[kind]).fetchone()
            [sent] = db.execute(
                "SELECT max(id) FROM offset WHERE kind = ?", (kind,)
            ).fetchone()
            self._last[kind] = max(self._last[kind], newest or 0, sent or 0)

    def _put_aside(self, damage: str) -> None:
        self._check.stop()
        self._disconnect()
        self._aside = aside = put_aside(self.path, damage)
        self.incidents.append(
            f"{self.path} was damaged ({damage}): put aside as {aside.name}, "
            "a new journal was created, and its good rows are being saved into it"
        )

    def _recover(self) -> bool:
        """Save some rows of a damaged file; return whether there are more."""
        try:
            db = self._connection()
            if not self._recovery.pending:
                return False
            if message := self._recovery.step(db, self._transaction):
                self.incidents.append(message)
        except (StoreError, sqlite3.DatabaseError):
            return False  # the next commit reports it
        return self._recovery.pending

    def _check_whole(self) -> bool:
        """Check the file once a start and once a day, on another thread."""
        now_s = self._monotonic()
        if now_s >= self._check_at_s:
            self._check_at_s = now_s + _CHECK_EVERY_S
            self._check.start()
        findings = self._check.take()
        if findings is None:
            return False
        if findings.damage:
            try:
                self._put_aside(findings.damage)
                self._connect()
            except (StoreError, sqlite3.DatabaseError):
                return False  # the next commit reports it
        elif text := str(findings):
            self.incidents.append(f"{self.path}: {text}")
        return self._recovery.pending

    def _disconnect(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.DatabaseError):
                self._db.close()  # rolls back what is open
            self._db = None

    def _limit_size(self) -> bool:
        """Delete some old rows if needed; return whether there may be more."""
        if self._unchecked_rows < _CHECK_SIZE_ROWS:
            return False
        try:
            if not self.retention.exceeded(self._connection()):
                self._unchecked_rows = 0
                return False
            before = self._connection().total_changes
            self._transaction(self.retention.trim)
            more = self._connection().total_changes > before
        except (StoreError, sqlite3.DatabaseError) as err:
            self._unchecked_rows = 0
            self.incidents.append(
                f"{self.path}: cannot be kept below [store] max_mb: {err}"
            )
            return False
        now = self._monotonic()
        if now - self._full_reported_s >= _REPORT_FULL_S:
            self._full_reported_s = now
            self.incidents.append(f"{self.path} is {self.retention}")
        return more
