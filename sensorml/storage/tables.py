"""The journal's tables, derived from the types of its rows, and their SQL.

The tables are STRICT (SQLite 3.37, 2021): a value of the wrong type is refused
when it is written, so that every reader can rely on the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_type_hints

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
"""Version 2 added the table `sensor`, version 3 `letter`, version 4 `feature`, `box`
and `sink`; older files are upgraded by creating them."""


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
    return [*(create_statement(kind) for kind in KINDS), offsets, letters]


def create_statement(kind: str, schema: str = "main") -> str:
    """Return the SQL that creates the table of one kind if it is missing."""
    columns = ", ".join(
        f"{name} {type_}{' NOT NULL' if type_ == 'INTEGER' else ''}"
        for name, type_ in TYPES[kind].items()
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {schema}.{kind} "
        f"(id INTEGER PRIMARY KEY, {columns}) STRICT"
    )


def insert_statement(kind: str) -> str:
    """Return the SQL that inserts an id, an offset in ns, and then a row.

    The offset is added to every instant. NaN and the infinities become NULL.
    """
    values = ", ".join(
        _inserted(kind, name, f"?{i}") for i, name in enumerate(COLUMNS[kind], start=3)
    )
    names = ", ".join(COLUMNS[kind])
    return f"INSERT INTO {kind} (id, {names}) VALUES (?1, {values})"  # noqa: S608 - names from the row types


def _inserted(kind: str, name: str, value: str) -> str:
    if name in INSTANTS[kind]:
        return f"{value} + ?2"
    if TYPES[kind][name] == "REAL":
        return f"iif(abs({value}) < 9e999, {value}, NULL)"
    return value
