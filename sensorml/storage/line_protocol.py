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

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from operator import is_
from typing import Final

import msgspec

from sensorml.interfaces import Row
from sensorml.storage.tables import COLUMNS, INSTANTS, KINDS, STEADY, TAGS, TYPES

TIME: Final[Mapping[str, str]] = {kind: INSTANTS[kind][-1] for kind in KINDS}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(c for c in columns if c not in TAGS[kind] and c != TIME[kind])
    for kind, columns in COLUMNS.items()
}

_CACHED_FORMATS: Final = 4096
_JSON: Final = msgspec.json.Encoder()
_is_none: Final = partial(is_, None)

_TAG_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0 ", "\\ ") | {",": "\\,", "=": "\\=", "%": "%%"}
)
_TEXT_ESCAPES: Final = str.maketrans(
    dict.fromkeys("\n\r\0", " ") | {"\\": "\\\\", '"': '\\"', "%": "%%"}
)


class LineEncoder:
    r"""Writes rows of every kind as lines, with the tags of one box.

    >>> row = (7, "bad", "motor 1", "wear", "alarm", "normal", "", 2.5, None)
    >>> print(LineEncoder({"device": "pi"}).encode("alarm", [row]).decode())
    ... # doctest: +NORMALIZE_WHITESPACE
    alarm,device=pi,alarm=bad,sensor=motor\ 1,model=wear
    state="alarm",previous="normal",score=2.5 7
    """

    def __init__(self, tags: Mapping[str, str]) -> None:
        self._encoders = {kind: _KindEncoder(kind, tags) for kind in KINDS}

    def encode(self, kind: str, rows: Sequence[Row]) -> bytes:
        """Return the lines of rows of one kind in UTF-8; empty if none has a field.

        Rows are as the journal stores them: numbers are finite or None, and
        what follows the columns (an id) is not written.
        """
        return "\n".join(self._encoders[kind].lines(rows)).encode()


class _KindEncoder:
    """Writes rows of one kind.

    What rows share, their text and steady numbers, makes a format, which is cached;
    the other numbers are written a column at a time and filled in. That costs a
    quarter of writing field by field.
    """

    def __init__(self, kind: str, tags: Mapping[str, str]) -> None:
        self._kind = kind
        self._head = kind + "".join(_tags(tags))
        names = [name for name in COLUMNS[kind] if name != TIME[kind]]
        shared = [n for n in names if TYPES[kind][n] == "TEXT" or n in STEADY[kind]]
        others = [name for name in names if name not in shared]
        self._shared = shared
        self._reals = [name for name in others if TYPES[kind][name] == "REAL"]
        self._integers = [name for name in others if TYPES[kind][name] == "INTEGER"]
        place = COLUMNS[kind].index
        self._shared_places = [place(name) for name in shared]
        self._real_places = [place(name) for name in self._reals]
        self._integer_places = [place(n) for n in (*self._integers, TIME[kind])]
        self._formats: dict[tuple[Row, Row], str] = {}

    def lines(self, rows: Sequence[Row]) -> list[str]:
        if not rows:
            return []
        columns = list(zip(*rows, strict=True))
        shared = zip(*[columns[i] for i in self._shared_places], strict=True)
        reals = [columns[i] for i in self._real_places]
        absent = (
            zip(*[map(_is_none, column) for column in reals], strict=True)
            if reals
            else repeat(())
        )
        numbers = zip(
            *map(_texts, reals),
            *[_texts(columns[i]) for i in self._integer_places],
            strict=True,
        )
        formats, lines = self._formats, []
        last, line_format = None, ""
        # `repeat` has no end, so the lengths are not compared.
        for key, values in zip(zip(shared, absent, strict=False), numbers, strict=True):
            if key != last:
                last = key
                cached = formats.get(key)
                line_format = self._new_format(*key) if cached is None else cached
            if line_format:
                lines.append(line_format % values)
        return lines

    def _new_format(self, shared: Row, absent: Row) -> str:
        """Return and cache the format of such rows; empty if they have no field."""
        if len(self._formats) >= _CACHED_FORMATS:
            self._formats.clear()
        row = dict(zip(self._shared, shared, strict=True))
        tags = _tags({name: row.pop(name) for name in TAGS[self._kind]})
        # Numbers last: gzip then finds the common start of two lines as one match.
        fields = "".join(
            [
                *(_field(name, value) for name, value in row.items()),
                *(
                    "%.0s" if is_absent else f",{name}=%s"  # %.0s prints nothing
                    for name, is_absent in zip(self._reals, absent, strict=True)
                ),
                *(f",{name}=%si" for name in self._integers),
            ]
        )
        line_format = ""
        if "=" in fields:
            head = self._head + "".join(tags)
            line_format = f"{head} {fields.replace(',', '', 1)} %s"
        self._formats[shared, absent] = line_format
        return line_format


def _texts(column: Sequence[object]) -> list[str]:
    """Write the numbers of a column; JSON has them as line protocol does.

    >>> _texts([0.1, 7, None])
    ['0.1', '7', 'null']
    """
    return _JSON.encode(column)[1:-1].decode().split(",")


def _tags(tags: Mapping[str, object]) -> Iterator[str]:
    r"""Yield the tags that have text, escaped for a printf format.

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
    r"""Return a field, escaped for a printf format; empty for no value.

    >>> print(_field("reason", 'score "2.5" is 20 % over'))
    ,reason="score \"2.5\" is 20 %% over"
    """
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return f',{name}="{value.translate(_TEXT_ESCAPES)}"'
    return f",{name}={value!r}i" if isinstance(value, int) else f",{name}={value!r}"
