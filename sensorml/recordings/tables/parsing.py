"""Rows of a table whose layout is found: bytes to numbers, and the rows that are wrong.

Polars parses where it is installed and a chunk is long enough to pay for it,
`numpy.loadtxt` else; both give the same float64. A line that either would
misread (too many or too few fields, NUL bytes, quotes that do not close) is
taken out before, and read by itself.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.recordings.segments import Float64, Rows
from sensorml.recordings.tables.fields import ANY_BLANKS, number, split
from sensorml.recordings.tables.layout import Layout
from sensorml.recordings.tables.time_texts import WIDTH, Texts

_COMMA: Final = bytes.maketrans(b",.", b".~")
_POINT: Final = str.maketrans(".~", ",.")
_QUOTED_COMMA = re.compile(rb'"([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)"')
_LARGE: Final = 1 << 19  # bytes from which importing and calling polars pays
_SLOW: Final = 1 << 17  # bytes of a chunk for loadtxt, which stops at the first error


class Wrong(NamedTuple):
    """A line that is no row."""

    row: int
    """Counted from 0 in its chunk, without blank lines."""
    kind: str
    """Its kind: a blank, a header, a comment, NUL bytes, or wrong."""
    why: str


class Parsed(NamedTuple):
    """The rows of a chunk."""

    numbers: Float64
    """(n, k), NaN only where a number is missing or none."""
    texts: tuple[Texts, ...]
    rows: Rows
    """(n,), which row of the chunk each is."""
    wrong: list[Wrong]
    lines: int
    """Rows of the chunk, right or wrong."""
    blank: int


class Parser:
    """Read chunks of one table.

    Args:
        layout: Of the table.
        numbers: The columns to read as numbers.
        texts: Those to read as texts.
        size: Bytes of the file, which decide what parses it.
    """

    def __init__(
        self, layout: Layout, numbers: Sequence[int], texts: Sequence[int], size: int
    ) -> None:
        self._layout = layout
        self._numbers = list(numbers)
        self._texts = list(texts)
        self._separator = (layout.separator or "\1").encode()
        self._polars = size >= _LARGE and find_spec("polars") is not None
        self._header = tuple(n.strip() for n in layout.names)

    def parse(self, chunk: bytes) -> Parsed:
        """Read a chunk of whole lines."""
        if not chunk:
            return self._nothing(0, [], 0)
        if not chunk.endswith(b"\n"):
            chunk += b"\n"
        chunk, blank = self._normal(chunk)
        if not chunk.strip(b"\n"):
            return self._nothing(0, [], blank)
        if self._polars:
            return self._part(chunk, blank)
        parts = [self._part(piece, 0) for piece in _pieces(chunk, _SLOW)]
        return (
            parts[0]._replace(blank=blank) if len(parts) == 1 else _joined(parts, blank)
        )

    def _normal(self, chunk: bytes) -> tuple[bytes, int]:
        """Bring a chunk to a point as the decimal mark and no blanks around fields."""
        layout, separator = self._layout, self._separator
        if layout.separator == ANY_BLANKS:
            chunk = _without(chunk.replace(b"\t", b" "), b"  ", b" ")
        if layout.padded:
            chunk = _without(chunk, b" " + separator, separator)
            chunk = _without(chunk, separator + b" ", separator)
        if layout.padded or layout.separator in {ANY_BLANKS, ""}:
            chunk = _without(chunk, b" \n", b"\n")
            chunk = _without(chunk, b"\n ", b"\n").lstrip(b" ")
        if layout.decimal == "," and layout.separator == ",":
            chunk = _QUOTED_COMMA.sub(rb"\1.\2", chunk)
        elif layout.decimal == ",":
            chunk = chunk.translate(_COMMA)
        if b"\n\n" not in chunk and not chunk.startswith(b"\n"):
            return chunk, 0
        lines = chunk.count(b"\n")
        chunk = re.sub(rb"\n\n+", b"\n", chunk).lstrip(b"\n")
        return chunk, lines - chunk.count(b"\n")

    def _part(self, chunk: bytes, blank: int) -> Parsed:
        """Read the lines that are right at once, and the others by themselves."""
        good, odd, ends = self._sorted_out(chunk)
        count = len(ends)
        rows = np.delete(np.arange(count), odd) if len(odd) else np.arange(count)
        fast = self._fast(good) if good else None
        if fast is None or len(fast[0]) != len(rows):
            return self._slowly(chunk, ends, np.arange(count), blank)
        numbers, texts = fast
        bad = ~np.isfinite(numbers).all(axis=1)
        if not len(odd) and not bad.any():
            return Parsed(numbers, texts, rows, [], count, blank)
        keep = Parsed(
            numbers[~bad], tuple(t[~bad] for t in texts), rows[~bad], [], count, blank
        )
        again = np.union1d(odd, rows[bad]).astype(np.intp)
        return self._slowly(chunk, ends, again, blank, keep=keep)

    def _sorted_out(self, chunk: bytes) -> tuple[bytes, Rows, Rows]:
        """Return the lines of the right number of fields, the others, and all ends."""
        data = np.frombuffer(chunk, np.uint8)
        is_end = data == 10
        is_separator = data == self._separator[0]
        if b'"' in chunk:
            inside = np.cumsum(data == 34) % 2 == 1
            if inside[-1] or (inside & is_end).any():
                ends = np.flatnonzero(is_end)
                return b"", np.arange(len(ends)), ends
            is_separator &= ~inside
        ends, marks = np.flatnonzero(is_end), np.flatnonzero(is_separator)
        fields, odd = self._layout.width - 1, np.zeros(len(ends), np.bool_)
        if not self._regular(ends, marks, fields):
            found = np.diff(np.searchsorted(marks, ends), prepend=0)
            odd = found != fields
        if b"\0" in chunk:
            odd[np.searchsorted(ends, np.flatnonzero(data == 0))] = True
        at = np.flatnonzero(odd)
        if not len(at):
            return chunk, at, ends
        pieces, begin = [], 0
        for line in at.tolist():
            start = int(ends[line - 1]) + 1 if line else 0
            pieces.append(chunk[begin:start])
            begin = int(ends[line]) + 1
        return b"".join([*pieces, chunk[begin:]]), at, ends

    @staticmethod
    def _regular(ends: Rows, marks: Rows, fields: int) -> bool:
        """Return whether every line has so many separators."""
        if len(marks) != len(ends) * fields:
            return False
        if fields == 0:
            return True
        grid = marks.reshape(len(ends), fields)
        return bool((grid[:, -1] < ends).all() and (grid[1:, 0] > ends[:-1]).all())

    def _fast(self, chunk: bytes) -> tuple[Float64, tuple[Texts, ...]] | None:
        return self._with_polars(chunk) if self._polars else self._with_numpy(chunk)

    def _with_polars(self, chunk: bytes) -> tuple[Float64, tuple[Texts, ...]] | None:
        import polars as pl

        wanted = dict.fromkeys(self._numbers, pl.Float64) | dict.fromkeys(
            self._texts, pl.String
        )
        schema = {
            f"column_{i + 1}": wanted.get(i, pl.String)
            for i in range(self._layout.width)
        }
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of lines that we find by their count
                frame = pl.read_csv(
                    chunk,
                    has_header=False,
                    separator=self._separator.decode(),
                    quote_char='"' if b'"' in chunk else None,
                    schema=schema,
                    columns=[f"column_{i + 1}" for i in sorted(wanted)],
                    ignore_errors=True,
                    encoding="utf8-lossy",
                )
        except pl.exceptions.PolarsError:
            return None
        names = [f"column_{i + 1}" for i in self._numbers]
        numbers = np.empty((len(frame), len(names)))
        for place, name in enumerate(names):
            numbers[:, place] = frame[name].to_numpy()
        texts: list[Texts] = []
        for i in self._texts:
            padded = frame[f"column_{i + 1}"].fill_null("").str.strip_chars()
            joined = padded.str.slice(0, WIDTH).str.pad_end(WIDTH).str.join("").item()
            raw = joined.encode("latin-1", "replace")
            column = np.frombuffer(raw, f"S{WIDTH}")
            texts.append(np.char.rstrip(column))
        return numbers, tuple(texts)

    def _with_numpy(self, chunk: bytes) -> tuple[Float64, tuple[Texts, ...]] | None:
        columns = [*self._numbers, *self._texts]
        fields = [(f"n{i}", "f8") for i in self._numbers]
        fields += [(f"t{i}", f"S{WIDTH}") for i in self._texts]
        try:
            table = np.loadtxt(
                io.BytesIO(chunk),
                np.dtype(fields),
                comments=None,
                delimiter=self._separator.decode(),
                usecols=columns,
                quotechar='"' if b'"' in chunk else None,
                encoding="utf-8",
                ndmin=1,
            )
        except (ValueError, UnicodeError):
            return None
        numbers = np.empty((len(table), len(self._numbers)))
        for place, i in enumerate(self._numbers):
            numbers[:, place] = table[f"n{i}"]
        return numbers, tuple(np.char.strip(table[f"t{i}"]) for i in self._texts)

    def _slowly(
        self,
        chunk: bytes,
        ends: Rows,
        which: Rows,
        blank: int,
        *,
        keep: Parsed | None = None,
    ) -> Parsed:
        """Read some lines one by one, and put them between those that are read."""
        starts = np.concatenate(([0], ends[:-1] + 1))
        numbers: list[list[float]] = []
        texts: list[list[bytes]] = []
        rows: list[int] = []
        wrong: list[Wrong] = []
        for row in which.tolist():
            line = chunk[starts[row] : ends[row]].decode("utf-8", "replace")
            result = self._line(row, line)
            if isinstance(result, Wrong):
                wrong.append(result)
                continue
            rows.append(row)
            numbers.append(result[0])
            texts.append(result[1])
        count = len(ends)
        if not rows:
            return (keep or self._nothing(count, [], blank))._replace(wrong=wrong)
        found = Parsed(
            np.array(numbers, np.float64).reshape(len(rows), len(self._numbers)),
            tuple(np.array(column, f"S{WIDTH}") for column in zip(*texts, strict=True)),
            np.array(rows, np.intp),
            wrong,
            count,
            blank,
        )
        return found if keep is None else _merged(keep, found)

    def _line(self, row: int, line: str) -> tuple[list[float], list[bytes]] | Wrong:
        """Read one line; raise an error that names what it is instead."""
        fields = split(line, self._layout.separator)
        if (kind := self._kind(line, fields)) != "row":
            return Wrong(row, kind, "has NUL bytes" if kind == "wrong" else "")
        width = self._layout.width
        if len(fields) == width + 1 and not fields[-1]:
            fields.pop()
        if len(fields) != width:
            of = "field" if len(fields) == 1 else "fields"
            return Wrong(row, "wrong", f"has {len(fields)} {of} instead of {width}")
        numbers = [number(fields[i], ".") for i in self._numbers]
        for i, value in zip(self._numbers, numbers, strict=True):
            if not np.isfinite(value):
                name = self._layout.names[i] or f"column {i + 1}"
                return Wrong(row, "wrong", f"has {self._shown(fields[i])} in {name!r}")
        return numbers, [fields[i].encode("latin-1", "replace") for i in self._texts]

    def _kind(self, line: str, fields: Sequence[str]) -> str:
        """Return what a line is, "row" where nothing speaks against it."""
        if "\0" in line:
            return "NUL bytes" if not line.strip("\0 \t") else "wrong"
        if line.lstrip()[:1] in {"#", "%"}:
            return "comment"
        if not any(fields):
            return "blank"
        return "repeated header" if self._is_header(fields) else "row"

    def _is_header(self, fields: Sequence[str]) -> bool:
        names = tuple(field.strip() for field in fields)
        if self._layout.decimal == ",":
            names = tuple(name.translate(_POINT) for name in names)
        return self._layout.header and names == self._header

    def _shown(self, field: str) -> str:
        comma = self._layout.decimal == "," and self._layout.separator != ","
        return repr((field.translate(_POINT) if comma else field)[:40])

    def _nothing(self, lines: int, wrong: list[Wrong], blank: int) -> Parsed:
        return Parsed(
            np.empty((0, len(self._numbers))),
            tuple(np.empty(0, f"S{WIDTH}") for _ in self._texts),
            np.empty(0, np.intp),
            wrong,
            lines,
            blank,
        )


def normal_text(text: str, layout: Layout) -> bytes:
    """Return a field as `Parser` has it, to compare with."""
    raw = text.encode("latin-1", "replace")
    comma = layout.decimal == "," and layout.separator != ","
    return raw.translate(_COMMA) if comma else raw


def _without(chunk: bytes, pair: bytes, one: bytes) -> bytes:
    """Replace a pair by one of it until there is none."""
    while pair in chunk:
        chunk = chunk.replace(pair, one)
    return chunk


def _pieces(chunk: bytes, size: int) -> Iterator[bytes]:
    begin = 0
    while begin < len(chunk):
        end = chunk.find(b"\n", min(begin + size, len(chunk) - 1)) + 1
        yield chunk[begin:end]
        begin = end


def _merged(a: Parsed, b: Parsed) -> Parsed:
    """Return the rows of both in order."""
    rows = np.concatenate((a.rows, b.rows))
    order = np.argsort(rows, kind="stable")
    texts: tuple[NDArray[np.bytes_], ...] = tuple(
        np.concatenate(pair)[order] for pair in zip(a.texts, b.texts, strict=True)
    )
    numbers = np.concatenate((a.numbers, b.numbers))[order]
    return Parsed(numbers, texts, rows[order], b.wrong, a.lines, a.blank)


def _joined(parts: Sequence[Parsed], blank: int) -> Parsed:
    """Return parts that follow each other as one."""
    before = np.concatenate(([0], np.cumsum([part.lines for part in parts])))
    wrong = [
        w._replace(row=w.row + int(n))
        for part, n in zip(parts, before, strict=False)
        for w in part.wrong
    ]
    return Parsed(
        np.concatenate([part.numbers for part in parts]),
        tuple(
            np.concatenate(column)
            for column in zip(*(part.texts for part in parts), strict=True)
        ),
        np.concatenate([p.rows + n for p, n in zip(parts, before, strict=False)]),
        wrong,
        int(before[-1]),
        blank,
    )
