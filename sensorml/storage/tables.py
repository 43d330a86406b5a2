"""What the journal's tables hold, as data; the SQL follows from it.

The tables are STRICT (SQLite 3.37, 2021): a value of the wrong type is
refused when it is written, so that a reader can rely on the type for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

KINDS: Final = ("prediction", "alarm", "event", "timing", "sensor")

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "prediction": (
            "start_ns",
            "end_ns",
            "sensor",
            "model",
            "model_version",
            "delegate",
            "score",
            "threshold",
            "state",
            "quality",
            "delay_ns",
            "features_ns",
            "quantise_ns",
            "invoke_ns",
            "decide_ns",
            "degraded",
            "label",
            "probability",
        ),
        "alarm": (
            "time_ns",
            "alarm",
            "sensor",
            "model",
            "state",
            "previous",
            "reason",
            "score",
            "threshold",
        ),
        "event": (
            "time_ns",
            "kind",
            "subject",
            "state",
            "previous",
            "detail",
            "value",
        ),
        "timing": (
            "start_ns",
            "time_ns",
            "sensor",
            "model",
            "delegate",
            "stage",
            "count",
            "p50_ns",
            "p95_ns",
            "p99_ns",
            "max_ns",
        ),
        "sensor": (
            "start_ns",
            "time_ns",
            "sensor",
            "state",
            "rate_hz",
            "rows",
            "missed",
            "overrun",
            "duplicated",
            "clipped",
            "jitter_ns",
            "failures",
        ),
    }
)
"""The columns of every kind of row, in the order of `interfaces.Row`."""

INSTANTS: Final = frozenset({"start_ns", "end_ns", "time_ns"})
"""Columns that are UTC times; every other `_ns` is a duration."""

_REALS: Final = frozenset(
    {"score", "threshold", "quality", "probability", "value", "rate_hz"}
)
_COUNTS: Final = frozenset(
    {
        *("count", "degraded"),
        *("rows", "missed", "overrun", "duplicated", "clipped", "failures"),
    }
)

APPLICATION_ID: Final = 0x736D6C6A
"""'smlj' in the file's header: how `file` and we know a journal."""
VERSION: Final = 2
"""2 has the table `sensor`; 1 is brought up by making what is missing."""


def storage(column: str) -> Literal["INTEGER", "REAL", "TEXT"]:
    """Return the SQLite type of a column; a name has one type in every table.

    An INTEGER is never NULL.
    """
    if column.endswith("_ns") or column in _COUNTS:
        return "INTEGER"
    return "REAL" if column in _REALS else "TEXT"


def create_statements() -> list[str]:
    """Return the SQL that makes an empty journal, or what an older one lacks.

    Ids are given by the writer and never used again: a sink's offset must stay
    true after the rows behind it are gone. AUTOINCREMENT would see to that as
    well, for another page written in every commit.
    """
    offsets = (
        "CREATE TABLE IF NOT EXISTS offset (sink TEXT NOT NULL, kind TEXT NOT NULL, "
        "id INTEGER NOT NULL, PRIMARY KEY (sink, kind)) STRICT, WITHOUT ROWID"
    )
    return [*(create_statement(kind) for kind in KINDS), offsets]


def create_statement(kind: str, schema: str = "main") -> str:
    """Return the SQL that makes the table of one kind, unless it is there."""
    typed = ", ".join(
        f"{c} {storage(c)}{' NOT NULL' if storage(c) == 'INTEGER' else ''}"
        for c in COLUMNS[kind]
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {schema}.{kind} "
        f"(id INTEGER PRIMARY KEY, {typed}) STRICT"
    )


def insert_statement(kind: str) -> str:
    """Return the SQL that inserts a row behind its id; NaN and infinity become NULL."""
    values = (
        f"iif(abs(?{i}) < 9e999, ?{i}, NULL)" if storage(column) == "REAL" else f"?{i}"
        for i, column in enumerate(COLUMNS[kind], start=2)
    )
    names = ", ".join(COLUMNS[kind])
    return f"INSERT INTO {kind} (id, {names}) VALUES (?1, {', '.join(values)})"  # noqa: S608 - names from the table above
