"""Rows of the journal as InfluxDB line protocol, a whole batch at a time.

Measurements are the kinds of the journal. What is a tag, what is a field and
of which type is fixed for ever, because a field that changes its type makes a
server refuse the batch:

=============  =================================================  ===========
measurement    tags, after those of the box (`device`)            time
=============  =================================================  ===========
`prediction`   `sensor`, `model`, `delegate`                      `end_ns`
`alarm`        `sensor`, `model`, `alarm`                         `time_ns`
`event`        `kind`, `subject`                                  `time_ns`
`timing`       `sensor`, `model`, `delegate`, `stage`             `time_ns`
=============  =================================================  ===========

Every other column is a field of the same name. Its type is that of the column
in the journal: INTEGER is written `1i` (times, durations, counters, `degraded`
as 0 or 1), REAL is written `0.5`, TEXT is written `"…"`.

Left out are NULL and empty text, and a row that has no field then.
Line breaks and NUL in text become spaces; so does a backslash at the end of a
tag, which line protocol cannot express.

SQLite writes the lines. Rows that share their text share a printf format; it
is made once in Python, where escaping is easy, and SQLite fills in the numbers.
That costs a third of fetching the columns and formatting them here. Reals have
17 digits: the very same double comes back, but for one unit in the last place
beyond 1e±150 with SQLite before 3.42, and on 32-bit ARM.

Source: InfluxDB "Line protocol" reference; where it is silent, the parser of
InfluxDB 1.6 (models/points.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from sensorml.interfaces import Select
from sensorml.journal import COLUMNS, KINDS, storage

TAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "prediction": ("sensor", "model", "delegate"),
    "alarm": ("sensor", "model", "alarm"),
    "event": ("kind", "subject"),
    "timing": ("sensor", "model", "delegate", "stage"),
}
TIME: Final[Mapping[str, str]] = {
    "prediction": "end_ns",
    "alarm": "time_ns",
    "event": "time_ns",
    "timing": "time_ns",
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(c for c in columns if c not in TAGS[kind] and c != TIME[kind])
    for kind, columns in COLUMNS.items()
}

_STEADY: Final = frozenset({"threshold", "quality"})
"""Reals that hardly change from row to row: part of the format, as text is."""
_CACHED_FORMATS: Final = 4096

_TAG_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0 ", "\\ ") | {",": "\\,", "=": "\\=", "%": "%%"}
)
_TEXT_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0", " ") | {"\\": "\\\\", '"': '\\"', "%": "%%"}
)


def lines(tags: Mapping[str, str]) -> Select:
    """Say how to read rows as lines; `tags` are those of the box, on every line.

    Every row is then `(line,)`, or `(None,)` where nothing is to be said.
    """
    return Select(
        columns={kind: (_line(kind),) for kind in KINDS},
        functions={
            f"{kind}_format": (len(_shared(kind)), _Formats(kind, tags).of)
            for kind in KINDS
        },
    )


def _line(kind: str) -> str:
    """Return the SQL that makes one line: a format, and the numbers to fill in."""
    shared = ", ".join(_shared(kind).values())
    numbers = ", ".join((*_numbers(kind), TIME[kind]))
    return f"printf({kind}_format({shared}), {numbers})"


def _numbers(kind: str) -> list[str]:
    return [c for c in FIELDS[kind] if storage(c) != "TEXT" and c not in _STEADY]


def _shared(kind: str) -> dict[str, str]:
    """Return what a format depends on: columns, and the SQL for each.

    Of a real that varies it is only whether there is a value.
    """
    columns = {c: c for c in TAGS[kind]}
    for name in FIELDS[kind]:
        if storage(name) == "TEXT" or name in _STEADY:
            columns[name] = name
        elif storage(name) == "REAL":
            columns[name] = f"{name} IS NULL"
    return columns


class _Formats:
    """Makes the printf formats of one kind of row."""

    def __init__(self, kind: str, tags: Mapping[str, str]) -> None:
        self._kind = kind
        self._names = tuple(_shared(kind))
        self._head = kind + "".join(_tags(tags))
        self.of = lru_cache(_CACHED_FORMATS)(self._make)

    def _make(self, *shared: object) -> str | None:
        row = dict(zip(self._names, shared, strict=True))
        tags = "".join(_tags({name: row[name] for name in TAGS[self._kind]}))
        cells = "".join(_cell(name, row.get(name)) for name in FIELDS[self._kind])
        if "=" not in cells:
            return None
        return f"{self._head}{tags} {cells.replace(',', '', 1)} %d"


def _tags(tags: Mapping[str, object]) -> Iterator[str]:
    r"""Yield the tags that have text, escaped.

    >>> "".join(_tags({"device": "pi 4", "sensor": "a,b", "model": None}))
    ',device=pi\\ 4,sensor=a\\,b'
    """
    for name, value in tags.items():
        text = "" if value is None else str(value)
        bare = text.rstrip("\\")
        escaped = bare.translate(_TAG_ESCAPES) + "\\ " * (len(text) - len(bare))
        if escaped:
            yield f",{name}={escaped}"


def _cell(name: str, value: object) -> str:
    """Return `,name=value`, or what prints nothing but eats its argument."""
    match storage(name):
        case "INTEGER":
            return f",{name}=%di"
        case "TEXT":
            text = str(value).translate(_TEXT_ESCAPES)
            return f',{name}="{text}"' if value else ""
        case "REAL" if name in _STEADY:
            return "" if value is None else f",{name}={value}"
        case _:
            return "%.0s" if value else f",{name}=%!.17g"
