"""The fields of a line: split, and what kind of value each is."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

ANY_BLANKS: Final = " "
"""The separator of tables whose columns are apart by runs of blanks."""
MISSING: Final = frozenset(
    {"", "nan", "null", "none", "na", "n/a", "-", "--", "#n/a", "nil", "-nan", "+nan"}
)
_NUMBERS: Final = {
    ".": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?"),
    ",": re.compile(r"[+-]?(?:\d+(?:,\d+)?|,\d+)(?:[eE][+-]?\d{1,4})?"),
}
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_DATE = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d\d)"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{4}|\d{8}(?=T))"
)
_CLOCK = (
    r"(?:\d{1,3}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?|(?<=T)\d{6}(?:[.,]\d{1,9})?)"
    r"(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|GMT)| ?[+-]\d\d:?(?:\d\d)?)?"
)
_TIME = re.compile(rf"{_DATE}(?:(?:[T_]|,? +){_CLOCK})?|{_CLOCK}")


class Kind(StrEnum):
    """The kind of a field."""

    NUMBER = "number"
    MISSING = "missing"
    TIME = "time"
    TEXT = "text"


def split(line: str, separator: str) -> list[str]:
    """Split a line at a separator that is not in quotes; blanks around fields go.

    >>> split('1; "a;b" ;3', ";")
    ['1', 'a;b', '3']
    """
    if not separator:
        return [line.strip().strip('"')]
    if separator == ANY_BLANKS:
        line = " ".join(line.split()) if '"' in line else line
        if '"' not in line:
            return line.split()
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    try:
        rows = list(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        rows = []
    return [field.strip() for field in rows[0]] if rows else [""]


def kind_of(field: str, decimal: str) -> Kind:
    """Classify a field.

    >>> kind_of("0,5", ","), kind_of("12:00:01.5", ".")
    (<Kind.NUMBER: 'number'>, <Kind.TIME: 'time'>)
    """
    if _NUMBERS[decimal].fullmatch(field):
        return Kind.NUMBER
    if field.lower() in MISSING or _INFINITE.fullmatch(field):
        return Kind.MISSING
    return Kind.TIME if _TIME.fullmatch(field) else Kind.TEXT


def number(field: str, decimal: str) -> float:
    """Return the value of a field, NaN where it is no finite number."""
    if not _NUMBERS[decimal].fullmatch(field):
        return float("nan")
    return float(field.replace(",", ".") if decimal == "," else field)


def kinds(fields: Sequence[str], decimal: str) -> list[Kind]:
    return [kind_of(field, decimal) for field in fields]
