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

Left out are NULL, NaN, infinities and empty text, and a row that has no field
then. Line breaks in text become spaces; so does a backslash at the end of a
tag, which line protocol cannot express.

Source: InfluxDB "Line protocol" reference; where it is silent, the parser of
InfluxDB 1.6 (models/points.go).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import Final, cast

from sensorml.interfaces import Row
from sensorml.journal import COLUMNS, storage

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

_LINE_BREAKS: Final = str.maketrans({"\n": " ", "\r": " "})
_TAG_ESCAPES: Final = str.maketrans(
    {"\n": "\\ ", "\r": "\\ ", " ": "\\ ", ",": "\\,", "=": "\\="}
)
_TEXT_ESCAPES: Final = str.maketrans({"\n": " ", "\r": " ", "\\": "\\\\", '"': '\\"'})


class Encoder:
    """Encodes rows of one box; `tags` are its own, put on every line."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        names = tuple(tags)
        values = tuple(tags.values())
        self._heads = {
            kind: lru_cache(4096)(
                lambda row, kind=kind: head(kind, names + TAGS[kind], values + row)
            )
            for kind in COLUMNS
        }

    def encode(self, kind: str, rows: Sequence[Row]) -> bytes:
        """Return one line for each row, in order.

        Works on columns, not rows: one comprehension for each column costs a
        third of what a call for each row does.
        """
        columns = dict(zip(COLUMNS[kind], zip(*rows, strict=True), strict=False))
        if not columns:
            return b""
        tags = zip(*(columns[name] for name in TAGS[kind]), strict=True)
        cells = (_CELLS[storage(name)](name, columns[name]) for name in FIELDS[kind])
        lines = [
            f"{head} {fields[1:]} {time}"
            for head, fields, time in zip(
                map(self._heads[kind], tags),
                map("".join, zip(*cells, strict=True)),
                columns[TIME[kind]],
                strict=True,
            )
            if fields
        ]
        return "\n".join(lines).encode("utf-8", "replace")


def head(measurement: str, names: Sequence[str], values: Sequence[object]) -> str:
    r"""Return measurement and tags, escaped; a tag without text is left out.

    >>> print(head("alarm", ["device", "sensor", "model"], ["pi 4", "a,b", None]))
    alarm,device=pi\ 4,sensor=a\,b
    """
    tags = zip(names, map(_tag, values), strict=True)
    return measurement + "".join(f",{name}={text}" for name, text in tags if text)


def _tag(value: object) -> str:
    text = "" if value is None else str(value)
    bare = text.rstrip("\\")
    return bare.translate(_TAG_ESCAPES) + "\\ " * (len(text) - len(bare))


def _integers(name: str, values: Sequence[object]) -> list[str]:
    return [
        "" if value is None else f",{name}={value:d}i"
        for value in cast("Sequence[int | None]", values)
    ]


def _reals(name: str, values: Sequence[object]) -> list[str]:
    return [
        "" if value is None or not isfinite(value) else f",{name}={value}"
        for value in cast("Sequence[float | None]", values)
    ]


def _texts(name: str, values: Sequence[object]) -> list[str]:
    return [f',{name}="{_text(value)}"' if value else "" for value in values]


@lru_cache(1024)
def _text(value: object) -> str:
    return str(value).translate(_TEXT_ESCAPES)


_CELLS: Final[Mapping[str, Callable[[str, Sequence[object]], list[str]]]] = {
    "INTEGER": _integers,
    "REAL": _reals,
    "TEXT": _texts,
}
