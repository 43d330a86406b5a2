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
`sensor`       `sensor`                                           `time_ns`
=============  =================================================  ===========

Every other column is a field of the same name. Its type is that of the column
in the journal: INTEGER is written `1i` (times, durations, counters, `degraded`
as 0 or 1), REAL is written `0.5`, TEXT is written `"…"`.

Left out are NULL and empty text, and a row that has no field then.
Line breaks and NUL in text become spaces; so does a backslash at the end of a
tag, which line protocol cannot express.

SQLite writes the lines. Rows that share their text share a printf format: it
is made in Python, where escaping is easy, and SQLite fills in the numbers. It
asks for the format through a function; the formats that it asked for most
become part of the next statement, as cases. That costs a third of fetching the
columns and formatting them here.

Reals have 17 digits: the very same double comes back. SQLite 3.40 was seen to be
off by one unit in the last place above 1e100, and may be for any value where a
long double is no longer than a double (32-bit ARM).

Source: InfluxDB "Line protocol" reference; where it is silent, the parser of
InfluxDB 1.6 (models/points.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from sensorml.storage.tables import COLUMNS, KINDS, storage

TAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "prediction": ("sensor", "model", "delegate"),
    "alarm": ("sensor", "model", "alarm"),
    "event": ("kind", "subject"),
    "timing": ("sensor", "model", "delegate", "stage"),
    "sensor": ("sensor",),
}
TIME: Final[Mapping[str, str]] = {
    "prediction": "end_ns",
    "alarm": "time_ns",
    "event": "time_ns",
    "timing": "time_ns",
    "sensor": "time_ns",
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(c for c in columns if c not in TAGS[kind] and c != TIME[kind])
    for kind, columns in COLUMNS.items()
}

_STEADY: Final = frozenset({"threshold", "quality", "degraded"})
"""Numbers that hardly change from row to row: in the format, as text is."""
_CACHED_FORMATS: Final = 4096
_OFTEN: Final = 100  # rows of one batch: worth a case of its own
_MOST_CASES: Final = 8

_TAG_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0 ", "\\ ") | {",": "\\,", "=": "\\=", "%": "%%"}
)
_TEXT_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0", " ") | {"\\": "\\\\", '"': '\\"', "%": "%%"}
)


class Lines:
    """How to read rows as lines: a `Select`.

    All rows of a batch come as one, `(text,)`, a line for each that has
    something to say; `(None,)` if none has.
    """

    def __init__(self, tags: Mapping[str, str]) -> None:
        """`tags` are those of the box, put on every line."""
        self._formats = {kind: _Formats(kind, tags) for kind in KINDS}
        self.functions: Mapping[str, tuple[int, Callable[..., str | None]]] = {
            f"{kind}_format": (len(_shared(kind)), formats.of)
            for kind, formats in self._formats.items()
        }

    def columns(self, kind: str) -> tuple[str, ...]:
        """Return the SQL that makes the lines: a format, and numbers to fill in."""
        numbers = [name for name in FIELDS[kind] if _is_filled_in(name)]
        arguments = ", ".join([self._formats[kind].sql(), *numbers, TIME[kind]])
        return (f"group_concat(printf({arguments}), char(10))",)


def _is_filled_in(name: str) -> bool:
    """Say whether SQLite writes the value, rather than it being in the format."""
    return storage(name) != "TEXT" and name not in _STEADY


def _shared(kind: str) -> dict[str, str]:
    """Return what a format depends on: columns, and the SQL for each.

    Of a real that varies it is only whether there is a value.
    """
    columns = {name: name for name in TAGS[kind]}
    for name in FIELDS[kind]:
        if not _is_filled_in(name):
            columns[name] = name
        elif storage(name) == "REAL":
            columns[name] = f"({name} IS NULL)"
    return columns


class _Formats:
    """The printf formats of one kind of row."""

    def __init__(self, kind: str, tags: Mapping[str, str]) -> None:
        self._kind = kind
        self._shared = _shared(kind)
        self._head = kind + "".join(_tags(tags))
        self._make = lru_cache(_CACHED_FORMATS)(self._compose)
        self._asked: Counter[tuple[object, ...]] = Counter()
        self._cases: dict[tuple[object, ...], str] = {}

    def of(self, *shared: object) -> str | None:
        """Return the format for these values; SQLite's function."""
        self._asked[shared] += 1
        return self._make(*shared)

    def sql(self) -> str:
        """Return the SQL of the format, with a case for each that is in demand."""
        for shared, times in self._asked.items():
            if times >= _OFTEN and "\\x00" not in repr(shared):
                self._cases[shared] = self._case(shared)
        self._asked.clear()
        for oldest in list(self._cases)[:-_MOST_CASES]:
            del self._cases[oldest]
        ask = f"{self._kind}_format({', '.join(self._shared.values())})"
        cases = " ".join(self._cases.values())
        return f"CASE {cases} ELSE {ask} END" if cases else ask

    def _case(self, shared: tuple[object, ...]) -> str:
        values = zip(self._shared.values(), map(_literal, shared), strict=True)
        when = " AND ".join(f"{column} IS {value}" for column, value in values)
        return f"WHEN {when} THEN {_literal(self._make(*shared))}"

    def _compose(self, *shared: object) -> str | None:
        row = dict(zip(self._shared, shared, strict=True))
        tags = "".join(_tags({name: row[name] for name in TAGS[self._kind]}))
        # Numbers last: what lines have in common is then one match for gzip.
        fields = sorted(FIELDS[self._kind], key=_is_filled_in)
        cells = "".join(_cell(name, row.get(name)) for name in fields)
        if "=" not in cells:
            return None
        return f"{self._head}{tags} {cells.replace(',', '', 1)} %d"


def _literal(value: object) -> str:
    """Write a value as SQL.

    >>> _literal(None), _literal(2.5), _literal("it's")
    ('NULL', '2.5', "'it''s'")
    """
    if value is None:
        return "NULL"
    return (
        repr(value)
        if not isinstance(value, str)
        else "'" + value.replace("'", "''") + "'"
    )


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
    kind = storage(name)
    if _is_filled_in(name):
        if kind == "INTEGER":
            return f",{name}=%di"
        return "%.0s" if value else f",{name}=%!.17g"
    if value is None or value == "":
        return ""
    if kind == "TEXT":
        return f',{name}="{str(value).translate(_TEXT_ESCAPES)}"'
    return f",{name}={value}i" if kind == "INTEGER" else f",{name}={value}"
