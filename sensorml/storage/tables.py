"""The journal's tables, derived from the types of its rows, and their SQL.

The tables are STRICT (SQLite 3.37, 2021): a value of the wrong type is refused
when it is written, so that every reader can rely on the type.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping
from math import isfinite
from operator import index
from typing import (
    Final,
    Literal,
    SupportsFloat,
    SupportsIndex,
    cast,
    get_type_hints,
)

from sensorml.interfaces import Row
from sensorml.storage.rows import (
    AlarmRow,
    BoxRow,
    EventRow,
    FeatureRow,
    Instant,
    PredictionRow,
    Real,
    SensorRow,
    SinkRow,
    SteadyInt,
    SteadyReal,
    Tag,
    TimingRow,
)

SqlType = Literal["INTEGER", "REAL", "TEXT"]
"""The type of a column. An INTEGER is never NULL."""

_SQL_TYPES: Final[Mapping[object, SqlType]] = {
    Instant: "INTEGER",
    int: "INTEGER",
    SteadyInt: "INTEGER",
    Real: "REAL",
    SteadyReal: "REAL",
    Tag: "TEXT",
    str: "TEXT",
}
_HINTS: Final = {
    kind: get_type_hints(row, include_extras=True)
    for kind, row in (
        ("prediction", PredictionRow),
        ("alarm", AlarmRow),
        ("event", EventRow),
        ("timing", TimingRow),
        ("sensor", SensorRow),
        ("feature", FeatureRow),
        ("box", BoxRow),
        ("sink", SinkRow),
    )
}

KINDS: Final = tuple(_HINTS)
TYPES: Final[Mapping[str, Mapping[str, SqlType]]] = {
    kind: {name: _SQL_TYPES[hint] for name, hint in hints.items()}
    for kind, hints in _HINTS.items()
}
"""The SQL type of every column of every kind, in the order of the row."""


def _of(*marked: object) -> Mapping[str, tuple[str, ...]]:
    """Return the columns of every kind that have one of these types."""
    return {
        kind: tuple(name for name, hint in hints.items() if hint in marked)
        for kind, hints in _HINTS.items()
    }


COLUMNS: Final = _of(*_SQL_TYPES)
INSTANTS: Final = _of(Instant)
TAGS: Final = _of(Tag)
STEADY: Final = _of(SteadyReal, SteadyInt)

APPLICATION_ID: Final = 0x736D6C6A
"""'smlj' in the header of the file, by which `file` and readers know a journal."""
VERSION: Final = 4
"""Version 2 added the table `sensor`, version 3 `letter`, version 4 `feature`, `box`,
`sink` and the columns `ADDED`; older files are upgraded by adding what they lack."""
ADDED: Final[Mapping[str, SqlType]] = {"crc": "INTEGER"}
"""Columns of every kind that are not part of its row, in the order of their addition.
They are NULL in the rows of an older file."""


def columns_of(db: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the columns of every table in a file."""
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    names = [name for (name,) in tables.fetchall()]
    sql = "SELECT name FROM pragma_table_info(?)"
    return {
        name: [column for (column,) in db.execute(sql, (name,)).fetchall()]
        for name in names
    }


def upgrade_statements(existing: Mapping[str, Collection[str]]) -> list[str]:
    """Return the SQL that adds what a file with these tables and columns lacks."""
    return create_statements() + [
        f"ALTER TABLE {kind} ADD COLUMN {name} {type_}"
        for kind in KINDS
        if kind in existing
        for name, type_ in ADDED.items()
        if name not in existing[kind]
    ]


def create_statements() -> list[str]:
    """Return the SQL that creates every table that is missing.

    The writer assigns ids and never uses one again, because a sink's offset
    must stay true after its rows are deleted. AUTOINCREMENT would ensure the
    same, but writes one more page in every commit.
    """
    offsets = (
        "CREATE TABLE IF NOT EXISTS offset (sink TEXT NOT NULL, kind TEXT NOT NULL, "
        "id INTEGER NOT NULL, PRIMARY KEY (sink, kind)) STRICT, WITHOUT ROWID"
    )
    letters = (
        "CREATE TABLE IF NOT EXISTS letter (id INTEGER PRIMARY KEY, "
        "time_ns INTEGER NOT NULL, sink TEXT NOT NULL, kind TEXT NOT NULL, "
        "first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, "
        "rows INTEGER NOT NULL, reason TEXT NOT NULL, "
        "UNIQUE (sink, kind, first_id, last_id)) STRICT"
    )
    restoring = (
        "CREATE TABLE IF NOT EXISTS restoring (file TEXT NOT NULL, kind TEXT NOT NULL, "
        "last_id INTEGER NOT NULL, PRIMARY KEY (file, kind)) STRICT, WITHOUT ROWID"
    )
    opened = "CREATE TABLE IF NOT EXISTS opened (time_ns INTEGER NOT NULL) STRICT"
    return [
        *(create_statement(kind) for kind in KINDS),
        *(offsets, letters, restoring, opened),
    ]


def create_statement(kind: str, schema: str = "main") -> str:
    """Return the SQL that creates the table of one kind if it is missing."""
    columns = ", ".join(
        [
            *(
                f"{name} {type_}{' NOT NULL' if type_ == 'INTEGER' else ''}"
                for name, type_ in TYPES[kind].items()
            ),
            *(f"{name} {type_}" for name, type_ in ADDED.items()),
        ]
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {schema}.{kind} "
        f"(id INTEGER PRIMARY KEY, {columns}) STRICT"
    )


def insert_statement(kind: str) -> str:
    """Return the SQL that inserts a row, its id and its checksum, in this order."""
    names = (*COLUMNS[kind], "id", "crc")
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {kind} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names from the row types


def stored(kind: str, row: Row, id_: int, offset_ns: int) -> Row:
    """Return a row as it is stored and read back, its id last.

    The offset is added to every instant. NaN and the infinities become NULL, and
    NumPy's scalars numbers.
    """
    values: list[object] = [
        convert(value) for convert, value in zip(_CONVERT[kind], row, strict=True)
    ]
    for place in range(len(INSTANTS[kind])):  # a row begins with its instants
        values[place] = _integer(row[place]) + offset_ns
    return (*values, id_)


def _integer(value: object) -> int:
    return index(cast("SupportsIndex", value))


def _real(value: object) -> float | None:
    if value is None or not isfinite(cast("SupportsFloat", value)):
        return None
    return float(cast("SupportsFloat", value)) + 0.0  # SQLite has no negative zero


def _text(value: object) -> str | None:
    return None if value is None else str(value)


_CONVERTERS: Final[Mapping[SqlType, Callable[[object], object]]] = {
    "INTEGER": _integer,
    "REAL": _real,
    "TEXT": _text,
}
_CONVERT: Final = {
    kind: [_CONVERTERS[type_] for type_ in types.values()]
    for kind, types in TYPES.items()
}
