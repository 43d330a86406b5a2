"""The layout of a table, found from its first lines.

Each separator with each decimal mark is tried; the one whose lines agree best
in the number of fields, and whose fields are numbers and times, is taken. The
rows begin with the first line whose kinds of fields are those of the rows; the
line above them, if it has as many fields, names the columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.errors import RecordingError
from sensorml.recordings.tables.fields import ANY_BLANKS, Kind, kind_of, kinds, split
from sensorml.recordings.tables.headers import COMMENT, Found, Trial, find_header

MAX_COLUMNS: Final = 4096
_SEPARATORS: Final = ("\t", ";", "|", ",", ANY_BLANKS, "")
_NAMES: Final = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "pipes",
    ANY_BLANKS: "blanks",
    "": "one column",
}
_BY_WORTH = (Kind.NUMBER, Kind.TIME, Kind.TEXT)  # the first wins where they tie
_LINES = 400  # lines that the layout is found on
_SURE = 0.98  # of the best score: the first separator in order that has it
_DELTA = re.compile(r"delta_?x\W+([\d.,eE+-]+)", re.IGNORECASE)


class Layout(NamedTuple):
    """The rules for reading the lines of a table."""

    separator: str
    decimal: str
    skip: int
    """Lines before the first row."""
    width: int
    """Fields of a row."""
    names: tuple[str, ...]
    """One for each field; "" where the file has none."""
    header: bool
    units: tuple[str, ...]
    """From a row below the header; "" where there is none."""
    kinds: tuple[Kind, ...]
    """The kind of most fields of each column."""
    quoted: bool
    padded: bool
    """True where blanks stand beside the separators."""
    step_s: float
    """From row to row, in the header of LabVIEW; 0 where it is absent."""

    def line(self) -> str:
        """Return a short description for people."""
        words = [_NAMES[self.separator]]
        if self.decimal == ",":
            words.append("decimal comma")
        if not self.header:
            words.append("no header")
        elif self.units:
            words.append("a row of units")
        return ", ".join(words)


def find_layout(path: Path, head: Sequence[str], *, whole: bool) -> Layout:
    """Find the layout of a table.

    Args:
        path: Where it is, for the messages.
        head: Its first lines.
        whole: Whether these are all.

    Raises:
        RecordingError: it is no table, or it can be read in two ways.
    """
    lines = list(head[:_LINES])
    if whole and len(lines) > 8 and len(head) <= _LINES:
        lines.pop()  # it may be half
    trial = _best(path, lines)
    rows = [(i, split(line, trial.separator)) for i, line in _rows(lines)]
    usual = _usual_kinds(rows, trial)
    first = _first_row(path, rows, trial, usual)
    found = Found(lines, rows, trial, usual, first)
    header = find_header(path, found)
    if not header.found:
        _question_commas(path, found)
    body = [line for i, line in _rows(lines) if i >= first]
    width = trial.width
    return Layout(
        separator=trial.separator,
        decimal=trial.decimal,
        skip=header.skip,
        width=width,
        names=header.names,
        header=header.found,
        units=header.units,
        kinds=usual,
        quoted=any('"' in line for line in body),
        padded=trial.separator not in {"", ANY_BLANKS}
        and any(
            re.search(
                rf"^[ \t]| {re.escape(trial.separator)}|"
                rf"{re.escape(trial.separator)} | $",
                line,
            )
            for line in body[:50]
        ),
        step_s=_step_s(lines[:first]),
    )


def _rows(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither blank nor comments, with their places."""
    for i, line in enumerate(lines):
        if line.strip(" \t\0") and not _comment(line):
            yield i, line


def _comment(line: str) -> bool:
    return COMMENT.match(line) is not None


def _best(path: Path, lines: Sequence[str]) -> Trial:
    """Choose the separator and the decimal mark."""
    body = [line for _, line in _rows(lines)]
    if not body:
        raise RecordingError(f"{path}: holds only comments: make the recording again")
    quoted = any('"' in line for line in body)
    declared = re.match(r'"?sep=(.)', lines[0]) if lines else None
    separators = (declared[1],) if declared and declared[1] in _NAMES else _SEPARATORS
    trials = [
        trial
        for separator in separators
        for decimal in (".", ",")
        if (decimal != separator or quoted)
        and (trial := _trial(body, separator, decimal))
    ]
    best = max((trial.score for trial in trials), default=0.0)
    if best <= 0 and len(body) == 1:
        raise RecordingError(
            f"{path}: has a header and no rows: make the recording again"
        )
    if best <= 0:
        raise RecordingError(
            f"{path}: has no rows of numbers: begin with the names of the columns, "
            "then write one row a line, with a separator between its numbers"
        )
    trial = next(t for t in trials if t.score >= _SURE * best)
    if trial.width > MAX_COLUMNS:
        raise RecordingError(
            f"{path}: has more than {MAX_COLUMNS} columns: write one row a line, with "
            "only the channels in it"
        )
    return trial


def _trial(body: Sequence[str], separator: str, decimal: str) -> Trial | None:
    """Read the lines in one way, and score how well it fits."""
    needed = ({separator} if len(separator) == 1 else set()) | ({decimal} - {"."})
    if not all(any(mark in line for line in body[-100:]) for mark in needed):
        return None
    if not separator and not _one_column(body, decimal):
        return None
    tail = body[len(body) // 3 :][:120]
    fields = [split(line, separator) for line in tail]
    width = Counter(map(len, fields)).most_common(1)[0][0]
    if separator and width < 2:
        return None
    alike = [row for row in fields if len(row) == width]
    columns = [
        [kind_of(field, decimal) for field in column]
        for column in islice(zip(*alike[:60], strict=True), 64)
    ]
    each = [k for column in columns if set(column) != {Kind.MISSING} for k in column]
    good = sum(kind in {Kind.NUMBER, Kind.TIME} for kind in each)
    empty = each.count(Kind.MISSING)
    if not good:
        return None
    agree = len(alike) / len(fields)
    clean = (good + 0.5 * empty) / len(each)
    named = any(
        len(row) == width and not any(k is Kind.NUMBER for k in kinds(row, decimal))
        for row in (split(line, separator) for line in body[:60])
    )
    marks = decimal == "," and any("," in f for row in alike[:60] for f in row[:64])
    if decimal == "," and not marks:
        return None
    several = 0.02 if width > 1 else 0.0
    score = agree * clean * clean + (0.08 if named else 0.0) + several
    if separator == ANY_BLANKS and any("\t" in line for line in tail):
        score *= 0.9
    return Trial(separator, decimal, width, score)


def _one_column(body: Sequence[str], decimal: str) -> bool:
    """Return whether lines may be single values: nothing else stands between them."""
    whole = "\n".join(body)
    if any(mark in whole for mark in ";\t|"):
        return False
    commas = [line for line in body if "," in line]
    return not commas or (
        decimal == "," and all(any(c.isdigit() for c in line) for line in commas)
    )


def _usual_kinds(
    rows: Sequence[tuple[int, list[str]]], trial: Trial
) -> tuple[Kind, ...]:
    """Return what most fields of each column are, in the rows further down."""
    alike = [fields for _, fields in rows if len(fields) == trial.width]
    tail = alike[len(alike) // 3 :][:200]
    found: list[Kind] = []
    for column in zip(*tail, strict=True):
        counts = Counter(kind_of(field, trial.decimal) for field in column)
        full = [kind for kind in _BY_WORTH if counts[kind]]
        found.append(max(full, key=lambda kind: counts[kind], default=Kind.MISSING))
    return tuple(found)


def _first_row(
    path: Path,
    rows: Sequence[tuple[int, list[str]]],
    trial: Trial,
    usual: Sequence[Kind],
) -> int:
    """Return the place of the first line whose fields are of the usual kinds."""
    strict = [i for i, kind in enumerate(usual) if kind in {Kind.NUMBER, Kind.TIME}]
    for i, fields in rows:
        if len(fields) != trial.width:
            continue
        there = [(kind_of(fields[c], trial.decimal), usual[c]) for c in strict]
        fits = sum(kind is wanted for kind, wanted in there)
        gaps = sum(kind is Kind.MISSING for kind, _ in there)
        if fits and fits + gaps == len(there):
            return i
    raise RecordingError(f"{path}: has a header and no rows: make the recording again")


def _question_commas(path: Path, found: Found) -> None:
    """Refuse `0,0123`, which is one number or two, where no header decides."""
    _, rows, trial, _, first = found
    if trial.separator != ",":
        return
    body = [fields for i, fields in rows if i >= first and len(fields) == trial.width]
    digits = [f for fields in body for f in fields]
    if trial.width % 2 or any(
        "." in f or not re.fullmatch(r"-?\d+", f) for f in digits
    ):
        return
    if any(re.fullmatch(r"0\d+", f) for f in digits) or "-0" in digits:
        raise RecordingError(
            f"{path}: its commas may be decimal marks or separators: put the names of "
            "the columns in the first line, or export it with semicolons"
        )


def _step_s(preamble: Sequence[str]) -> float:
    """Return the step that a LabVIEW header gives, 0 where it gives none."""
    for line in preamble:
        if match := _DELTA.match(line.strip()):
            try:
                return float(match[1].replace(",", "."))
            except ValueError:
                return 0.0
    return 0.0
