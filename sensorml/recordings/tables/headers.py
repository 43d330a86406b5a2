"""The header of a table: the names of its columns, and their units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sensorml.errors import RecordingError
from sensorml.recordings.tables.clocks import time_name
from sensorml.recordings.tables.fields import ANY_BLANKS, Kind, kind_of, split
from sensorml.recordings.tables.units import spelled

COMMENT = re.compile(r"\s*(?:[#%]|//|\"?sep=.\"?\s*$)", re.IGNORECASE)
_TIME_UNITS = frozenset({"s", "sec", "ms", "us", "µs", "ns", "min", "h", "n/a", "-"})


class Trial(NamedTuple):
    """One way to read the lines, and how well it fits."""

    separator: str
    decimal: str
    width: int
    score: float


class Found(NamedTuple):
    """The first lines of a table, and where its rows begin."""

    lines: Sequence[str]
    rows: Sequence[tuple[int, list[str]]]
    """The fields of each line that is no comment, with its place."""
    trial: Trial
    usual: Sequence[Kind]
    first: int
    """The place of the first row."""


class Header(NamedTuple):
    """The names and units of the columns."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    found: bool
    skip: int
    """Lines before the first row."""


def find_header(path: Path, found: Found) -> Header:
    """Find the names and units of the columns above the first row.

    Raises:
        RecordingError: there are more or fewer names than fields.
    """
    lines, rows, trial, usual, first = found
    above = [(i, fields) for i, fields in rows if i < first]
    comments = [
        i
        for i, line in enumerate(lines[:first])
        if COMMENT.match(line) and "sep=" not in line.lower()
    ]
    width, none = trial.width, ("",) * trial.width
    units: tuple[str, ...] = ()
    counted = _counted([fields for i, fields in rows if i >= first])
    candidates = list(above)
    while candidates and _is_wrong_row(candidates[-1][1], usual, trial):
        first = candidates.pop()[0]
    if candidates and _are_units(candidates[-1][1]) and len(candidates) > 1:
        units = _fitted(candidates.pop()[1], usual, width, counted=counted) or ()
    if candidates:
        fields = candidates[-1][1]
        names = _fitted(fields, usual, width, counted=counted)
        if names is not None and not _key_and_value(names, usual, trial.decimal):
            return Header(names, units, True, first)
        texts = [f for f in fields if f and kind_of(f, trial.decimal) is Kind.TEXT]
        if (
            len(texts) > 1
            and not fields[0].endswith(":")
            and len(texts) == len([f for f in fields if f])
        ):
            raise _mismatch(path, fields, width, trial)
    for i in reversed(comments):
        names = _fitted(
            split(lines[i].lstrip("#%/ \t"), trial.separator),
            usual,
            width,
            counted=counted,
        )
        if names is None or width < 2 or not _all_texts(names, trial.decimal):
            continue
        if trial.separator != ANY_BLANKS or any(map(time_name, names)):
            return Header(names, units, True, first)
    if (numbered := _numbered_header(rows, first, width)) is not None:
        return Header(numbered, (), True, first + 1)
    return Header(none, units, False, first)


def _fitted(
    fields: Sequence[str], usual: Sequence[Kind], width: int, *, counted: bool
) -> tuple[str, ...] | None:
    """Return one name for each column, None where there are too few or too many."""
    names = list(fields)
    if len(names) == width + 1 and names[-1] and names[1:-1].count("") == 1:
        del names[names.index("", 1)]  # two tabs between two names
    while len(names) > width and (not names[-1] or len(names) == width + 1):
        names.pop()  # LabVIEW's column of comments, or a separator at the end
    if len(names) == width - 1:
        if usual[-1] is Kind.MISSING:
            names.append("")
        elif counted and width > 2:
            names.insert(0, "")  # the row numbers that R writes without a name
    return tuple(names) if len(names) == width and any(names) else None


def _counted(body: Sequence[Sequence[str]]) -> bool:
    """Return whether the first column numbers the rows from 1, as R writes it."""
    firsts = [fields[0] for fields in body[:50] if fields]
    return len(firsts) > 1 and firsts == [str(i + 1) for i in range(len(firsts))]


def _is_wrong_row(fields: Sequence[str], usual: Sequence[Kind], trial: Trial) -> bool:
    """Return whether a line above the first row is a row with a text in it."""
    if len(fields) != trial.width or sum(k is not Kind.TEXT for k in usual) < 2:
        return False
    kinds = [kind_of(field, trial.decimal) for field in fields]
    same = [k for k, u in zip(kinds, usual, strict=True) if k is u is not Kind.TEXT]
    return Kind.TIME in same or same.count(Kind.NUMBER) * 2 > len(fields)


def _key_and_value(names: Sequence[str], usual: Sequence[Kind], decimal: str) -> bool:
    """Return whether a line is `Rate;100` or `Operator: Ann`, and so no header."""
    if next(filter(None, names)).endswith(":"):
        return True
    numbers = sum(kind_of(name, decimal) in {Kind.NUMBER, Kind.TIME} for name in names)
    return numbers > 0 and numbers * 2 >= sum(map(bool, names)) and len(usual) > 0


def _all_texts(names: Sequence[str], decimal: str) -> bool:
    return all(not n or kind_of(n, decimal) is Kind.TEXT for n in names)


def _are_units(fields: Sequence[str]) -> bool:
    """Return whether a line is a row of units."""
    texts = [f.strip().strip("()[]").lower() for f in fields if f.strip()]
    known = [f for f in texts if f in _TIME_UNITS or spelled(f)]
    return bool(texts) and len(known) * 3 >= 2 * len(texts)


def _numbered_header(
    rows: Sequence[tuple[int, list[str]]], first: int, width: int
) -> tuple[str, ...] | None:
    """Return the names of a header that numbers its columns: 0, 1, 2."""
    body = [fields for i, fields in rows if i >= first][:20]
    if len(body) < 3 or width < 2:
        return None
    names = body[0]
    counted = [int(n) for n in names if n.isdecimal()]
    begins = names[0] == "" or names[0].isdecimal()
    if not begins or len(counted) < width - 1 or len(counted) != sum(map(bool, names)):
        return None
    if counted != list(range(counted[0], counted[0] + len(counted))) or (
        counted[0] not in {0, 1}
    ):
        return None
    others = [fields[-1] for fields in body[1:] if fields]
    whole = sum(field.lstrip("+-").isdecimal() for field in others)
    return tuple(names) if whole == 0 else None


def _mismatch(
    path: Path, fields: Sequence[str], width: int, trial: Trial
) -> RecordingError:
    if trial.separator == "," and width >= 2 * len(fields) - 1:
        return RecordingError(
            f"{path}: has {len(fields)} names and {width} fields a row, so its commas "
            "are decimal marks and separators at once: export it with semicolons"
        )
    return RecordingError(
        f"{path}: the header has {len(fields)} names and the rows {width} fields: "
        "correct the header, or remove it"
    )
