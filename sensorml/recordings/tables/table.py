"""Tables: `.csv .tsv .txt .dat .log .lvm`, each also `.gz`, in any usual layout.

Nothing is read in silence: `Recording.notes` has the layout, the time column,
the rate, what was left out and which rows were wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import RecordingError
from sensorml.recordings.formats import EXCEL
from sensorml.recordings.recording import (
    MAX_TIME_NS,
    Labels,
    Recording,
)
from sensorml.recordings.segments import Int64, Rows
from sensorml.recordings.spool import Spool
from sensorml.recordings.tables.columns import Columns, ask_where, find_columns
from sensorml.recordings.tables.fields import Kind, split
from sensorml.recordings.tables.first_rows import Asked
from sensorml.recordings.tables.layout import Layout, find_layout
from sensorml.recordings.tables.parsing import Parsed, Parser, Wrong, normal_text
from sensorml.recordings.tables.sheets import open_sheet
from sensorml.recordings.tables.sources import Lines, open_source
from sensorml.recordings.tables.time_columns import Clock
from sensorml.recordings.tables.time_texts import Flags, parse, parse_numbers
from sensorml.recordings.tables.timeline import Jumps, placed, timeline
from sensorml.types import Float32

_LOOK: Final = 4000  # rows that the roles of the columns are decided on
_MOST_WRONG: Final = 0.01
_HARMLESS: Final = ("blank", "comment", "repeated header", "NUL bytes")


class Chunk(NamedTuple):
    """Rows that are right, in the order of the file."""

    samples: Float32
    """(n, channels), C-contiguous, finite."""
    t_ns: Int64 | None
    """(n,), None where the table has no times."""
    rows: Rows
    """(n,), the place of each row among all rows of the file, right or wrong."""


class Table:
    """A table whose layout and columns are found, and not yet its rows."""

    def __init__(self, path: Path, asked: Asked) -> None:
        self.path = path
        self._source = _open(path)
        self.layout: Layout = find_layout(
            path, self._source.head, whole=self._source.whole
        )
        rows = _first_rows(self._source, self.layout)
        self.columns: Columns = find_columns(path, self.layout, rows, asked)
        self.rows = 0
        """The rows of the chunks so far."""
        self.odd: Counter[str] = Counter()
        """By kind, the lines that were no rows."""
        self.first_wrong: list[Wrong] = []
        self._wrong = 0
        self._constant: dict[int, bytes] = {}

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows of the file, in memory that does not grow with it.

        Raises:
            RecordingError: more than 1 % of the rows are wrong, or it cannot be
                read to its end.
        """
        columns, clock = self.columns, self.columns.clock
        numbers = [
            *columns.channels,
            *(i for i, _, _ in (clock.numbers if clock else ())),
        ]
        texts = [*(clock.texts if clock else ()), *columns.keys]
        texts += [i for i, _ in (clock.exact if clock else ())]
        size = self.path.stat().st_size * (8 if self._source.packed else 1)
        parser = Parser(
            self.layout, list(dict.fromkeys(numbers)), list(dict.fromkeys(texts)), size
        )
        order = list(dict.fromkeys(numbers)), list(dict.fromkeys(texts))
        before = b""
        for whole, last in _with_last(_after(self._source.chunks(), self.layout.skip)):
            half = last and not whole.endswith(b"\n")
            cut = half and _is_cut(before[-8192:] + whole)
            chunk = whole[: whole.rfind(b"\n") + 1] if cut else whole
            self.odd["half a row at the end"] += cut
            before = whole
            parsed = parser.parse(chunk)
            yield self._chunk(parsed, *order, half=half)
        self._refuse_many()

    def _chunk(
        self, parsed: Parsed, numbers: list[int], texts: list[int], *, half: bool
    ) -> Chunk:
        columns = self.columns
        place = {i: n for n, i in enumerate(numbers)}
        with np.errstate(over="ignore", invalid="ignore"):
            samples = parsed.numbers[:, [place[i] for i in columns.channels]]
            samples = (samples * np.array(columns.factors)).astype(np.float32)
        keep = np.isfinite(samples).all(axis=1)
        t_ns: Int64 | None = None
        if columns.clock is not None:
            t_ns, good = _times(columns.clock, parsed, place, texts)
            for row in np.flatnonzero(~good)[:3].tolist():
                self._note(
                    Wrong(
                        int(parsed.rows[row]),
                        "wrong",
                        "has no time between 1850 and 2096",
                    )
                )
            self._wrong += int(np.count_nonzero(~good & keep))
            keep &= good
        self._count(parsed, half=half)
        chosen = self._chosen(parsed, texts)
        if chosen is not None:
            keep &= chosen
        rows = parsed.rows + self.rows
        self.rows += parsed.lines
        if keep.all():
            return Chunk(np.ascontiguousarray(samples), t_ns, rows)
        return Chunk(
            np.ascontiguousarray(samples[keep]),
            None if t_ns is None else t_ns[keep],
            rows[keep],
        )

    def _count(self, parsed: Parsed, *, half: bool) -> None:
        self.odd["blank"] += parsed.blank
        for wrong in parsed.wrong:
            if half and wrong.row == parsed.lines - 1 and wrong.kind == "wrong":
                self.odd["half a row at the end"] += 1
            elif wrong.kind in _HARMLESS:
                self.odd[wrong.kind] += 1
            else:
                self._wrong += 1
                self._note(wrong)

    def _note(self, wrong: Wrong) -> None:
        if len(self.first_wrong) < 3:
            self.first_wrong.append(wrong._replace(row=wrong.row + self.rows))

    def _chosen(self, parsed: Parsed, texts: list[int]) -> Flags | None:
        """Return which rows are asked for; raise where a key changes unasked."""
        chosen: Flags | None = None
        for i in self.columns.keys:
            column = parsed.texts[texts.index(i)]
            if i in self.columns.where:
                same = column == normal_text(self.columns.where[i], self.layout)[:40]
                chosen = same if chosen is None else chosen & same
            elif len(column):
                first = self._constant.setdefault(i, bytes(column[0]))
                if (column != first).any():
                    seen = {first, *np.unique(column).tolist()}
                    values = sorted(value.decode("latin-1") for value in seen)
                    raise ask_where(self.path, self.layout.names[i], values)
        return chosen

    def _refuse_many(self) -> None:
        if self._wrong > _MOST_WRONG * self.rows:
            shown = "; ".join(f"row {w.row + 1} {w.why}" for w in self.first_wrong)
            raise RecordingError(
                f"{self.path}: {self._wrong} of {self.rows} rows are wrong ({shown}): "
                "correct or remove them, or choose other columns with --channels"
            )

    @property
    def wrong(self) -> int:
        """Rows that were wrong so far."""
        return self._wrong

    def notes(self, rate_hz: float, extra: Sequence[str]) -> tuple[str, ...]:
        """Return the reading of the file in words: the layout first."""
        clock, n = self.columns.clock, len(self.columns.channels)
        time = f"time = {clock.description}" if clock else "no time column"
        encoding = self._source.encoding
        words = [
            self._source.title or self.layout.line(),
            *([] if encoding == "utf-8-sig" else [encoding.upper()]),
            time,
            f"{n} channel{'s' if n > 1 else ''}",
            f"{rate_hz:.6g} Hz",
            *([self.columns.unit] if self.columns.unit else []),
        ]
        notes = [f"read: {', '.join(words)}"]
        if self.columns.left_out:
            notes.append(f"left out: {', '.join(self.columns.left_out)}")
        odd = [f"{n} {_several(kind, n)}" for kind, n in self.odd.items() if n]
        if self._wrong:
            shown = "; ".join(f"row {w.row + 1} {w.why}" for w in self.first_wrong)
            odd.append(f"{self._wrong} wrong ({shown})")
        if odd:
            notes.append(f"rows left out: {', '.join(odd)}")
        return (*notes, *extra)


def labels(path: Path, asked: Asked) -> Labels:
    """Read the columns from the first rows of a table.

    Raises:
        RecordingError: naming the file, what is wrong and what to do.
    """
    columns = Table(path, asked).columns
    return Labels(columns.names, columns.unit)


def read(path: Path, asked: Asked) -> Recording:
    """Read a table.

    Raises:
        RecordingError: naming the file, what is wrong and what to do.
    """
    table = Table(path, asked)
    samples = Spool(path, np.float32, len(table.columns.names))
    t_ns = None if table.columns.clock is None else Spool(path, np.int64)
    jumps = Jumps()
    for chunk in table.chunks():
        samples.append(chunk.samples)
        if t_ns is not None and chunk.t_ns is not None:
            t_ns.append(chunk.t_ns)
        else:
            jumps.add(chunk.rows)
    if not len(samples):
        if asked.table.where:
            column, value = next(iter(asked.table.where.items()))
            raise RecordingError(
                f"{path}: {column} is {value!r} in none of its {table.rows} rows: "
                "correct --where"
            )
        raise RecordingError(f"{path}: has no samples: make the recording again")
    line = timeline(
        path,
        t_ns,
        jumps.found,
        rate_hz=asked.rate_hz,
        step_s=table.layout.step_s,
        dated=table.columns.clock is None or table.columns.clock.dated,
        exact=table.columns.exact,
        hint=_hint(table.columns),
    )
    notes = table.notes(line.rate_hz, line.notes)
    return placed(path, samples, table.columns, line, notes)


def _times(
    clock: Clock, parsed: Parsed, place: dict[int, int], texts: list[int]
) -> tuple[Int64, Flags]:
    """Return the time of each row in ns, and where it has one."""
    ns = np.zeros(len(parsed.numbers), np.int64)
    good = np.ones(len(parsed.numbers), np.bool_)
    for i, unit_ns, zero in clock.numbers:
        part = (parsed.numbers[:, place[i]] - zero) * unit_ns
        inside = np.abs(part) <= MAX_TIME_NS
        ns += np.round(np.where(inside, part, 0.0)).astype(np.int64)
        good &= inside
    for i, unit_ns in clock.exact:
        stamps = parse_numbers(parsed.texts[texts.index(i)], unit_ns)
        ns += stamps.ns
        good &= stamps.good
    for i in clock.texts:
        stamps = parse(parsed.texts[texts.index(i)], clock.order)
        ns += stamps.ns
        good &= stamps.good
    return ns, good


def _open(path: Path) -> Lines:
    excel = path.name.lower().endswith(EXCEL)
    return open_sheet(path) if excel else open_source(path)


def _first_rows(source: Lines, layout: Layout) -> list[list[str]]:
    """Return the fields of the first rows that are right."""
    lines = source.head[layout.skip :]
    if source.whole and len(lines) > 8:
        lines = lines[:-1]
    strict = [
        i for i, kind in enumerate(layout.kinds) if kind in {Kind.NUMBER, Kind.TIME}
    ]
    rows = []
    for line in islice(lines, max(64, _LOOK * 8 // layout.width)):
        fields = split(line, layout.separator) if line.strip(" \0") else []
        header = any(fields) and tuple(fields) == layout.names
        if (
            len(fields) == layout.width
            and not header
            and any(fields[i] for i in strict)
        ):
            rows.append(fields)
    return rows[:_LOOK]


def _is_cut(chunk: bytes) -> bool:
    r"""Return whether the last line ends in fewer decimals than all lines before.

    >>> _is_cut(b"0,1.25\n" * 9 + b"9,1.2"), _is_cut(b"0,1.25\n" * 9 + b"9,1.20")
    (True, False)
    """
    lines = chunk[-8192:].split(b"\n")[1:]
    found = [re.search(rb"[.,](\d+)\"?\s*$", line) for line in lines[-40:-1] if line]
    places = {len(match[1]) if match else 0 for match in found}
    last = re.search(rb"[.,](\d+)\"?\s*$", lines[-1]) if lines else None
    if not lines or b"\0" in lines[-1] or not lines[-1].strip():
        return False
    if len(found) < 8 or len(places) != 1 or places == {0}:
        return False
    return (len(last[1]) if last else 0) < places.pop()


def _after(chunks: Iterator[bytes], lines: int) -> Iterator[bytes]:
    """Leave out the first lines."""
    for chunk in chunks:
        at = 0
        while lines and (end := chunk.find(b"\n", at)) >= 0:
            at = end + 1
            lines -= 1
        if not lines:
            yield chunk[at:] if at else chunk


def _with_last(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Report the last one."""
    before: bytes | None = None
    for chunk in chunks:
        if before is not None:
            yield before, False
        before = chunk
    if before is not None:
        yield before, True


def _hint(columns: Columns) -> str:
    """Return what may be the time, where none was found."""
    rising = [text for text in columns.left_out if "only rises" in text]
    return f" ({rising[0]}; if it is the time, --time)" if rising else ""


def _several(kind: str, n: int) -> str:
    return kind + ("s" if n > 1 and kind[-1] != "s" and "end" not in kind else "")
