"""The content of a journal in numbers: size, rows, ages, backlogs, letters."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from sensorml.errors import StoreError
from sensorml.storage.corruption import DamageError, beside, is_damage
from sensorml.storage.disk_faults import size_of
from sensorml.storage.reader import connect
from sensorml.storage.tables import INSTANTS, KINDS, columns_of

_COUNTED_BYTES: Final = 1_000_000_000
"""Rows of a larger file are not counted, because this would read all of it."""


class KindSurvey(msgspec.Struct, frozen=True):
    """The rows of one kind."""

    rows: int
    """Counted, or the span of their ids in a file that is too large to count."""
    first_id: int
    last_id: int
    oldest_ns: int
    newest_ns: int


class Survey(msgspec.Struct, frozen=True):
    """One journal."""

    file: str
    version: int
    bytes: int
    wal_bytes: int
    free_bytes: int
    """In pages of the file that the next rows will use."""
    damaged_files: dict[str, int]
    """Files that were put aside, with their bytes."""
    counted: bool
    kinds: dict[str, KindSurvey]
    backlog: dict[str, int]
    """Rows that a sink has not got, by their ids."""
    letters: dict[str, int]
    """Refused rows of a sink."""
    restoring: list[str]
    """Damaged files of which rows are being saved."""


def survey(path: Path) -> Survey:
    """Read the numbers, also beside a running service.

    Raises:
        StoreError: there is no journal that can be read.
    """
    try:
        with closing(connect(path)) as db:
            return _survey(path, db)
    except sqlite3.DatabaseError as err:
        error = DamageError if is_damage(err) else StoreError
        raise error(
            f"{path}: cannot be read ({err}): sensorml store --repair {path}"
        ) from err


def _survey(path: Path, db: sqlite3.Connection) -> Survey:
    tables = columns_of(db)
    counted = size_of(path) <= _COUNTED_BYTES
    kinds = {k: _kind(db, k, counted=counted) for k in KINDS if k in tables}
    [version] = db.execute("PRAGMA user_version").fetchone()
    [free] = db.execute("PRAGMA freelist_count").fetchone()
    [page] = db.execute("PRAGMA page_size").fetchone()
    letters = {}
    if "letter" in tables:
        sql = "SELECT sink, sum(rows) FROM letter GROUP BY sink"
        letters = dict(db.execute(sql).fetchall())
    restoring = []
    if "restoring" in tables:
        files = db.execute("SELECT DISTINCT file FROM restoring").fetchall()
        restoring = [file for (file,) in files]
    return Survey(
        file=str(path),
        version=version,
        bytes=size_of(path),
        wal_bytes=size_of(beside(path, "-wal")),
        free_bytes=free * page,
        damaged_files={
            file.name: size_of(file)
            for file in sorted(path.parent.glob(f"{path.name}.corrupt-*Z"))
        },
        counted=counted,
        kinds=kinds,
        backlog=dict(_backlogs(db, kinds)),
        letters=letters,
        restoring=restoring,
    )


def _kind(db: sqlite3.Connection, kind: str, *, counted: bool) -> KindSurvey:
    time = INSTANTS[kind][-1]
    ends = []
    for order in ("", "DESC"):
        sql = f"SELECT id, {time} FROM {kind} ORDER BY id {order} LIMIT 1"  # noqa: S608 - names from the row types
        ends.append(db.execute(sql).fetchone() or (0, 0))
    (first, oldest), (last, newest) = ends
    rows = last - first + 1 if last else 0
    if counted:
        [rows] = db.execute(f"SELECT count(*) FROM {kind}").fetchone()  # noqa: S608 - a name from KINDS
    return KindSurvey(rows, first, last, oldest, newest)


def _backlogs(
    db: sqlite3.Connection, kinds: dict[str, KindSurvey]
) -> Iterator[tuple[str, int]]:
    offsets: dict[str, dict[str, int]] = {}
    for sink, kind, id_ in db.execute("SELECT sink, kind, id FROM offset"):
        offsets.setdefault(sink, {})[kind] = id_
    for sink, sent in sorted(offsets.items()):
        yield (
            sink,
            sum(
                max(found.last_id - max(sent.get(kind, 0), found.first_id - 1), 0)
                for kind, found in kinds.items()
                if found.last_id
            ),
        )
