"""The rows of a damaged journal, saved into the new one in short steps.

SQLite reads what it can reach: first the rows that some sink has not got, then the
others, from the newest on. Rows that a damaged page hides are searched in all pages.
A row counts only if its checksum is right. Rows keep their ids, and those that are
there already stay, so that a salvage can begin again after a stop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, NamedTuple, cast

from sensorml.interfaces import Row
from sensorml.storage.checksum import checksums, is_intact
from sensorml.storage.corruption import beside, is_damage
from sensorml.storage.pages import Cell, DamagedFile, open_file
from sensorml.storage.tables import (
    ADDED,
    COLUMNS,
    KINDS,
    TYPES,
    columns_of,
    insert_statement,
)

_STEP_ROWS: Final = 2_000
_STEP_PAGES: Final = 1_000
ENDLESS: Final = 1 << 62
_OF_THE_WRITER: Final = ("restoring", "opened")
_HIGHEST: Final = 1 << 56
"""A higher id is damaged."""
_FIRST: Final = ("alarm", "event")
_OTHER_TABLES: Final = 100_000
"""Rows of a table beside the kinds; there are few of them."""


class Hole(NamedTuple):
    """Ids of a kind between `first` and `last` that SQLite cannot reach."""

    kind: str
    first: int
    last: int


class Batch(NamedTuple):
    """Rows of one step, each with its id and its checksum at the end."""

    kind: str
    rows: Sequence[Row]
    complete: Sequence[str] = ()
    """Kinds of which no row that must be sent is missing any more."""


class Salvage:
    """One damaged file, and what was saved from it so far."""

    def __init__(self, path: Path, sent: Mapping[str, int]) -> None:
        """Prepare to save rows; `sent` has the lowest offset of each kind."""
        self.path = path
        self.saved = 0
        self.lost: list[Hole] = []
        """Ids that SQLite could not read, or whose rows were wrong."""
        self._sent = sent
        self._holes: list[Hole] = []
        self._layout = {kind: ["id", *COLUMNS[kind], *ADDED] for kind in KINDS}

    def batches(self) -> Iterator[Batch]:
        """Yield all rows that can be saved, the most urgent first."""
        try:
            with closing(open_damaged(self.path)) as db:
                yield from self._reachable(db)
        except sqlite3.DatabaseError:
            self._holes = [Hole(kind, 0, ENDLESS) for kind in KINDS]
        if self._holes:
            yield from self._hidden()
        yield Batch(KINDS[0], (), KINDS)

    def _reachable(self, db: sqlite3.Connection) -> Iterator[Batch]:
        existing = columns_of(db)
        self._layout |= {kind: existing[kind] for kind in KINDS if kind in existing}
        ordered = sorted(KINDS, key=lambda kind: kind not in _FIRST)
        for kind in ordered:
            if kind in existing:
                yield from self._span(db, kind, self._sent.get(kind, 0), ENDLESS)
            if not any(hole.kind == kind for hole in self._holes):
                yield Batch(kind, (), [kind])
        for kind in ordered:
            if kind in existing:
                last = self._sent.get(kind, 0) + 1
                yield from self._span(db, kind, 0, last, newest_first=True)

    def _span(
        self,
        db: sqlite3.Connection,
        kind: str,
        first: int,
        last: int,
        *,
        newest_first: bool = False,
    ) -> Iterator[Batch]:
        """Read the rows between two ids from one end, then from the other."""
        for _ in range(2):
            while True:
                rows, whole = self._read(db, kind, first, last, newest_first)
                yield Batch(kind, self._good(kind, rows))
                if rows and newest_first:
                    last = cast("int", rows[-1][-2])
                elif rows:
                    first = cast("int", rows[-1][-2])
                if not whole or len(rows) < _STEP_ROWS:
                    break
            if whole:
                return
            newest_first = not newest_first
        if last - first > 1:
            self._holes.append(Hole(kind, first, last))

    def _read(
        self, db: sqlite3.Connection, kind: str, first: int, last: int, down: bool
    ) -> tuple[list[Row], bool]:
        """Read rows up to the first damage; return also whether there was none."""
        crc = "crc" if "crc" in self._layout[kind] else "NULL"
        sql = (
            f"SELECT {', '.join(COLUMNS[kind])}, id, {crc} FROM {kind} "  # noqa: S608 - names from the row types
            f"WHERE id > ? AND id < ? ORDER BY id {'DESC' if down else ''} LIMIT ?"
        )
        rows: list[Row] = []
        try:
            for row in db.execute(sql, (first, last, _STEP_ROWS)):
                if not first < row[-2] < last:  # a damaged page may show other ids
                    return rows, False
                if down:
                    last = row[-2]
                else:
                    first = row[-2]
                rows.append(row)
        except sqlite3.DatabaseError as err:
            if not is_damage(err):
                raise
            return rows, False
        return rows, True

    def _good(self, kind: str, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that are as they were written."""
        good = []
        for *values, crc in rows:
            row = tuple(values)
            if is_intact(kind, row, crc):
                good.append((*row, *checksums(kind, [row])))
            else:
                id_ = cast("int", row[-1])
                self.lost.append(Hole(kind, id_ - 1, id_ + 1))
        return good

    def _hidden(self) -> Iterator[Batch]:
        """Look for the rows of the holes in every page."""
        self.lost += self._holes
        with ExitStack() as stack:
            file = open_file(self.path)
            if file is None:
                return
            stack.enter_context(file)
            wal = open_file(beside(self.path, "-wal"))
            if wal is not None:
                stack.enter_context(wal)
            damaged = DamagedFile(file, wal)
            for start in range(1, damaged.pages + 1, _STEP_PAGES):
                end = min(start + _STEP_PAGES, damaged.pages + 1)
                rows: dict[str, list[Row]] = {}
                for number in range(start, end):
                    for hole, row in self._in_holes(damaged.cells(number)):
                        rows.setdefault(hole.kind, []).append(row)
                for kind, added in rows.items():
                    yield Batch(kind, added)

    def _in_holes(self, cells: Iterator[Cell]) -> Iterator[tuple[Hole, Row]]:
        """Yield the cells that are missing rows."""
        for cell in cells:
            for hole in self._holes:
                inside = hole.first < cell.id < hole.last
                row = self._row(hole.kind, cell) if inside else None
                if row is not None:
                    yield hole, row
                    break

    def _row(self, kind: str, cell: Cell) -> Row | None:
        """Return a cell as a row of a kind, with its id and checksum, if it is one."""
        names = self._layout[kind]
        if not len(COLUMNS[kind]) < len(cell.values) <= len(names):
            return None
        values = dict(zip(names, cell.values, strict=False))
        row: list[object] = []
        for name in COLUMNS[kind]:
            value, type_ = values.get(name), TYPES[kind][name]
            if type_ == "REAL" and isinstance(value, int):
                value = float(value)
            if not _is_of(type_, value):
                return None
            row.append(value)
        whole = (*row, cell.id)
        if not is_intact(kind, whole, values.get("crc")):
            return None
        return (*whole, *checksums(kind, [whole]))


def _is_of(type_: str, value: object) -> bool:
    """Return whether a column of this type may have this value."""
    match value:
        case int():
            return type_ == "INTEGER"
        case float():
            return type_ == "REAL"
        case str():
            return type_ == "TEXT"
    return value is None and type_ != "INTEGER"


def open_damaged(path: Path) -> sqlite3.Connection:
    """Open a file that was put aside, with its WAL; nothing in it is changed."""
    mode = "mode=ro" if beside(path, "-wal").exists() else "immutable=1"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return db


def insert_rows(db: sqlite3.Connection, batch: Batch) -> int:
    """Insert the rows that are not there yet; return their number."""
    sql = insert_statement(batch.kind).replace("INSERT", "INSERT OR IGNORE", 1)
    return db.executemany(sql, batch.rows).rowcount if batch.rows else 0


def newest_ids(path: Path) -> dict[str, int] | None:
    """Return the highest id of every kind in a damaged file; None if it is unknown."""
    try:
        with closing(open_damaged(path)) as db:
            existing = columns_of(db)
            newest = {}
            for kind in KINDS:
                if kind in existing:
                    [last] = db.execute(f"SELECT max(id) FROM {kind}").fetchone()  # noqa: S608 - a name from KINDS
                    newest[kind] = int(last or 0)
            plausible = max(newest.values(), default=0) < _HIGHEST
            return newest if "offset" in existing and plausible else None
    except sqlite3.DatabaseError:
        return None


def copy_other_tables(path: Path, db: sqlite3.Connection) -> None:
    """Copy offsets, letters and what else is no kind, as far as it can be read."""
    with suppress(sqlite3.DatabaseError), closing(open_damaged(path)) as damaged:
        here = columns_of(db)
        for table, columns in columns_of(damaged).items():
            if table in KINDS or table not in here or table in _OF_THE_WRITER:
                continue
            names = [name for name in columns if name in here[table]]
            with suppress(sqlite3.DatabaseError):
                rows = damaged.execute(
                    f"SELECT {', '.join(names)} FROM {table} LIMIT {_OTHER_TABLES}"  # noqa: S608 - names from both schemas
                ).fetchall()
                db.executemany(
                    f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) "  # noqa: S608 - as above
                    f"VALUES ({', '.join('?' * len(names))})",
                    rows,
                )
