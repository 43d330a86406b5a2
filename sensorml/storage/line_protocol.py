"""Rows of the journal as InfluxDB line protocol, one line for each row.

Measurements are the kinds of the journal; tags, fields and their types follow
from the types of the rows. They never change, because a server refuses a field
whose type has changed:

=============  ==========================================  ==========
measurement    tags, after those of the box (`device`)     time
=============  ==========================================  ==========
`prediction`   `sensor`, `model`, `delegate`               `end_ns`
`alarm`        `alarm`, `sensor`, `model`                  `time_ns`
`event`        `kind`, `subject`                           `time_ns`
`timing`       `sensor`, `model`, `delegate`, `stage`      `time_ns`
`sensor`       `sensor`                                    `time_ns`
`feature`      `sensor`, `model`, `feature`, `unit`        `time_ns`
`box`                                                      `time_ns`
`sink`         `sink`                                      `time_ns`
=============  ==========================================  ==========

Every other column is a field of the same name. An INTEGER is written `1i`
(times, durations, counts, `degraded` as 0 or 1), a REAL `0.5` with the digits
that give back the very same double, a TEXT `"…"`.

Left out are NULL and empty text, and a row without any field. Line breaks and
NUL in text become spaces; so does a backslash at the end of a tag, which line
protocol cannot express.

Source: InfluxDB "Line protocol" reference; where it leaves a case open, the
parser of InfluxDB 1.6 (models/points.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Final

import msgspec

from sensorml.interfaces import Row
from sensorml.storage.tables import COLUMNS, INSTANTS, KINDS, STEADY, TAGS, TYPES

TIME: Final[Mapping[str, str]] = {kind: INSTANTS[kind][-1] for kind in KINDS}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(c for c in columns if c not in TAGS[kind] and c != TIME[kind])
    for kind, columns in COLUMNS.items()
}

_CACHED_HEADS: Final = 4096
_JSON: Final = msgspec.json.Encoder()

_TAG_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0 ", "\\ ") | {",": "\\,", "=": "\\="}
)
_TEXT_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0", " ") | {"\\": "\\\\", '"': '\\"'}
)


class LineEncoder:
    r"""Writes rows of every kind as lines, with the tags of one box.

    >>> row = (7, "bad", "motor 1", "wear", "alarm", "normal", "", 2.5, None)
    >>> print(LineEncoder({"device": "pi"}).encode("alarm", [row]).decode())
    ... # doctest: +NORMALIZE_WHITESPACE
    alarm,device=pi,alarm=bad,sensor=motor\ 1,model=wear
    state="alarm",previous="normal",score=2.5 7
    """

    def __init__(self, tags: Mapping[str, str], *, prefix: str = "") -> None:
        """Prepare; `prefix` stands before each measurement, and is not escaped."""
        self._encoders = {kind: _KindEncoder(kind, prefix, tags) for kind in KINDS}

    def encode(self, kind: str, rows: Sequence[Row]) -> bytes:
        """Return the lines of rows of one kind in UTF-8; empty if none has a field.

        Rows are as the journal stores them: numbers are finite or None, and
        what follows the columns (an id) is not written.
        """
        return "\n".join(self._encoders[kind].lines(rows)).encode()


class _KindEncoder:
    """Writes rows of one kind.

    What rows share, their text and steady numbers, makes the head of a line, which is
    cached; the other numbers are written a column at a time, and lines are joined
    from the columns. That costs a fifth of writing field by field.
    """

    def __init__(self, kind: str, prefix: str, tags: Mapping[str, str]) -> None:
        self._kind = kind
        self._head = prefix + kind + "".join(_tags(tags))
        names = [name for name in COLUMNS[kind] if name != TIME[kind]]
        shared = [n for n in names if TYPES[kind][n] == "TEXT" or n in STEADY[kind]]
        others = [name for name in names if name not in shared]
        place = COLUMNS[kind].index
        self._shared = shared
        self._shared_places = [place(name) for name in shared]
        self._reals = [(n, place(n)) for n in others if TYPES[kind][n] == "REAL"]
        self._integers = [(n, place(n)) for n in others if TYPES[kind][n] == "INTEGER"]
        self._time_place = place(TIME[kind])
        self._heads: dict[Row, str] = {}
        self._bare: set[str] = set()
        """Heads without a field."""

    def lines(self, rows: Sequence[Row]) -> list[str]:
        if not rows:
            return []
        columns = list(zip(*rows, strict=True))
        heads = self._row_heads(columns)
        parts: list[Iterable[str]] = [heads]
        # Numbers last: gzip then finds the common start of two lines as one match.
        for name, place in self._reals:
            parts += _reals(f",{name}=", columns[place])
        unit = ""
        for name, place in self._integers:
            parts += [repeat(f"{unit},{name}="), _texts(columns[place])]
            unit = "i"
        parts += [repeat(f"{unit} "), _texts(columns[self._time_place])]
        # `repeat` has no end, so the lengths are not compared.
        lines = list(map("".join, zip(*parts, strict=False)))
        return lines if self._bare.isdisjoint(heads) else list(_completed(heads, lines))

    def _row_heads(self, columns: Sequence[Row]) -> list[str]:
        """Return the head of every row."""
        shared = [columns[i] for i in self._shared_places]
        if all(column.count(column[0]) == len(column) for column in shared):
            key = tuple(column[0] for column in shared)
            return [self._head_of(key)] * len(columns[0])
        heads = []
        last, head = None, ""
        for key in zip(*shared, strict=True):
            if key != last:
                last = key
                head = self._head_of(key)
            heads.append(head)
        return heads

    def _head_of(self, shared: Row) -> str:
        return self._heads.get(shared) or self._new_head(shared)

    def _new_head(self, shared: Row) -> str:
        """Return and cache the head of such rows."""
        if len(self._heads) >= _CACHED_HEADS:
            self._heads.clear()
            self._bare.clear()
        row = dict(zip(self._shared, shared, strict=True))
        tags = _tags({name: row.pop(name) for name in TAGS[self._kind]})
        fields = ",".join(filter(None, map(_field, row.keys(), row.values())))
        self._heads[shared] = head = f"{self._head}{''.join(tags)} {fields}"
        if not fields:
            self._bare.add(head)
        return head


def _completed(heads: Sequence[str], lines: Sequence[str]) -> Iterator[str]:
    """Remove the comma after a head without a field, and lines without any field."""
    for head, line in zip(heads, lines, strict=True):
        if not head.endswith(" "):
            yield line
        elif line[len(head)] == ",":
            yield head + line[len(head) + 1 :]


def _reals(start: str, column: Sequence[object]) -> list[Iterable[str]]:
    """Return the parts of a field that rows may lack.

    >>> [list(part) for part in _reals(",score=", [0.5, None])]
    [[',score=0.5', '']]
    """
    texts = _texts(column)
    absent = texts.count("null")
    if not absent:
        return [repeat(start), texts]
    if absent == len(texts):
        return []
    return [[start + text if text != "null" else "" for text in texts]]


def _texts(column: Sequence[object]) -> list[str]:
    """Write the numbers of a column; JSON has them as line protocol does.

    >>> _texts([0.1, 7, None])
    ['0.1', '7', 'null']
    """
    return _JSON.encode(column)[1:-1].decode().split(",")


def _tags(tags: Mapping[str, object]) -> Iterator[str]:
    r"""Yield the tags that have text, escaped.

    >>> "".join(_tags({"device": "pi 4", "sensor": "a,b", "model": None}))
    ',device=pi\\ 4,sensor=a\\,b'
    """
    for name, value in tags.items():
        if value:
            text = str(value)
            bare = text.rstrip("\\")
            escaped = bare.translate(_TAG_ESCAPES) + "\\ " * (len(text) - len(bare))
            yield f",{name}={escaped}"


def _field(name: str, value: object) -> str:
    r"""Return a field; empty for no value.

    >>> print(_field("reason", 'score "2.5" is 20 % over'))
    reason="score \"2.5\" is 20 % over"
    """
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return f'{name}="{value.translate(_TEXT_ESCAPES)}"'
    return f"{name}={value!r}i" if isinstance(value, int) else f"{name}={value!r}"
