"""Times as text, in ns: dates in any order, clocks alone, and long whole numbers.

Texts of one shape (the same text with every digit as 0) are read together, by
the place of their digits, so that a million rows cost a few passes of NumPy.
A date and a time of day without a zone are taken as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.recordings.segments import Int64

Order: TypeAlias = Literal["dmy", "mdy"]
Texts: TypeAlias = NDArray[np.bytes_]
"""(n,), of fixed width; one byte a character."""
Bytes: TypeAlias = NDArray[np.uint8]
Flags: TypeAlias = NDArray[np.bool_]

WIDTH: Final = 40
"""Bytes of a time that are looked at."""
DAY_NS: Final = 86_400 * 10**9
_MOST_SHAPES = 256  # in one call; rows of yet other shapes are no times
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun",
    "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_SHAPE = re.compile(
    r"(?:(?P<y>0000)[-/.~](?P<m>00?)[-/.~](?P<d>00?)"
    r"|(?P<yc>0000)(?P<mc>00)(?P<dc>00)(?=T)"
    r"|(?P<a>00?)[-/.~](?P<b>00?)[-/.~](?P<yl>0000|00)"
    r"|(?P<dn>00?)[- ](?P<mon>[A-Za-z]{3})[a-z]*[- ,]+(?P<yn>0000))?"
    r"(?:[T_]|,? +)?"
    r"(?:(?P<H>000?|0):(?P<M>00)(?::(?P<S>00))?(?:[.,~](?P<f>0{1,9})0*)?"
    r"|(?P<Hc>00)(?P<Mc>00)(?P<Sc>00)(?:[.,~](?P<fc>0{1,9})0*)?)?"
    r"(?: ?(?P<ap>[AaPp])\.?[Mm]\.?)?"
    r"(?: ?(?:Z|UTC|GMT)| ?(?P<zs>[+-])(?P<zh>00):?(?P<zm>00)?)?"
)
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<i>0{1,19})(?:[.,~](?P<f>0{0,18}))?")


class _Part(Protocol):
    """The numbers in the first of some groups that is there."""

    def __call__(self, *names: str) -> Int64 | None: ...


class Stamps(NamedTuple):
    """Texts as times in ns."""

    ns: Int64
    good: Flags
    """(n,), False where a text is no time."""


def parse(texts: Texts, order: Order | None) -> Stamps:
    """Read dates, dates with times, or times of day.

    Args:
        texts: (n,), at most WIDTH bytes.
        order: Of day and month, where the year comes last.
    """
    ns = np.zeros(len(texts), np.int64)
    good = np.zeros(len(texts), np.bool_)
    for rows, chars, shape in _shapes(texts):
        match = _SHAPE.fullmatch(shape)
        if match is None or not shape:
            continue
        ns[rows], good[rows] = _shape_ns(chars, match, order)
    return Stamps(ns, good)


def parse_numbers(texts: Texts, unit_ns: int) -> Stamps:
    """Read whole or decimal numbers of a unit, exactly.

    >>> parse_numbers(np.array([b"1700000000.000000001"]), 10**9).ns.tolist()
    [1700000000000000001]
    """
    ns = np.zeros(len(texts), np.int64)
    good = np.zeros(len(texts), np.bool_)
    for rows, chars, shape in _shapes(texts):
        match = _NUMBER.fullmatch(shape)
        if match is None:
            continue
        whole = _digits(chars, match.span("i"))
        fits = np.abs(whole) < 4 * 10**18 // unit_ns
        value = np.where(fits, whole, 0) * unit_ns
        if match["f"]:
            places = len(match["f"])
            part = _digits(chars, match.span("f")).astype(np.float64)
            value += np.round(part / 10.0**places * unit_ns).astype(np.int64)
        ns[rows] = -value if match["sign"] == "-" else value
        good[rows] = fits
    return Stamps(ns, good)


def order_of(texts: Sequence[str]) -> Order | Literal["unclear"] | None:
    """Return the order of day and month, None where the year is first.

    >>> order_of(["13/02/2024 10:00", "14/02/2024 10:00"])
    'dmy'
    >>> order_of(["01/02/2024 10:00"])
    'unclear'
    """
    found = [re.match(r"(\d{1,2})([-/.~])(\d{1,2})[-/.~]\d\d", text) for text in texts]
    dates = [(int(m[1]), int(m[3]), m[2]) for m in found if m]
    if not dates:
        return None
    if max(first for first, _, _ in dates) > 12 or dates[0][2] in ".~":
        return "dmy"
    return "mdy" if max(second for _, second, _ in dates) > 12 else "unclear"


def _shapes(texts: Texts) -> list[tuple[NDArray[np.intp], Bytes, str]]:
    """Group texts by shape: the rows, their bytes (k, width), and the shape."""
    if not len(texts):
        return []
    wide = np.ascontiguousarray(texts.astype(f"S{WIDTH}"))
    chars = wide.view(np.uint8).reshape(len(texts), WIDTH)
    width = int(np.flatnonzero(chars.any(axis=0))[-1]) + 1 if chars.any() else 1
    chars = chars[:, :width]
    digit = (chars >= ord("0")) & (chars <= ord("9"))
    shape = np.where(digit, np.uint8(ord("0")), chars)
    left = np.arange(len(texts))
    groups: list[tuple[NDArray[np.intp], Bytes, str]] = []
    while len(left) and len(groups) < _MOST_SHAPES:
        same = (shape[left] == shape[left[0]]).all(axis=1)
        rows = left[same]
        name = shape[rows[0]].tobytes().rstrip(b"\0").decode("latin-1")
        groups.append((rows, chars[rows], name))
        left = left[~same]
    return groups


def _digits(chars: Bytes, span: tuple[int, int]) -> Int64:
    """Return the numbers whose digits stand at a place in every row."""
    value = np.zeros(len(chars), np.int64)
    for column in range(*span):
        value = value * 10 + (chars[:, column] - np.uint8(ord("0")))
    return value


def _shape_ns(
    chars: Bytes, match: re.Match[str], order: Order | None
) -> tuple[Int64, Flags]:
    good = np.ones(len(chars), np.bool_)
    ns = np.zeros(len(chars), np.int64)

    def part(*names: str) -> Int64 | None:
        """Return the number in the first of these groups that is there."""
        spans = [match.span(name) for name in names if match[name] is not None]
        return _digits(chars, spans[0]) if spans else None

    year, month, day = part("y", "yc", "yl", "yn"), part("m", "mc"), part("d", "dc")
    if year is not None:
        if match["a"] is not None:
            first, second = part("a"), part("b")
            day, month = (second, first) if order == "mdy" else (first, second)
            year = year + 2000 if len(match["yl"]) == 2 else year
        elif match["mon"] is not None:
            name = match["mon"].lower()
            month = np.full(
                len(chars), _MONTHS.index(name) + 1 if name in _MONTHS else 0
            )
            day = part("dn")
        if month is None or day is None:
            return ns, ~good
        date_ns, good = _date_ns(year, month, day)
        ns += date_ns
    hour = part("H", "Hc")
    if hour is not None:
        clock_ns, sound = _clock_ns(match, part, hour, dated=year is not None)
        ns += clock_ns
        good = good & sound
    elif year is None:
        return ns, np.zeros(len(chars), np.bool_)
    zone = part("zh")
    if zone is not None:
        minutes = part("zm")
        ahead = (zone * 60 + (0 if minutes is None else minutes)) * 60 * 10**9
        ns -= ahead if match["zs"] == "+" else -ahead
    return ns, good


def _clock_ns(
    match: re.Match[str], part: _Part, hour: Int64, *, dated: bool
) -> tuple[Int64, Flags]:
    """Return times of day in ns, and whether they exist."""
    minute, second = part("M", "Mc"), part("S", "Sc")
    zero = np.zeros(len(hour), np.int64)
    minute = zero if minute is None else minute
    fraction = match["f"] or match["fc"]
    if second is None and fraction:  # minutes, seconds and their fraction
        hour, minute, second = zero, hour, minute
    second = zero if second is None else second
    good = (minute < 60) & (second <= 60)
    if dated:
        good &= hour < 24
    if match["ap"]:
        good &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + (12 if match["ap"] in "Pp" else 0)
    ns = ((hour * 60 + minute) * 60 + second) * 10**9
    part_ns = part("f", "fc")
    if fraction and part_ns is not None:
        ns += part_ns * 10 ** (9 - len(fraction))
    return ns, good


def _date_ns(year: Int64, month: Int64, day: Int64) -> tuple[Int64, Flags]:
    """Return midnight of days in ns since 1970, and whether they exist."""
    good = (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1850) & (year <= 2096)
    month_of = (np.where(good, year, 1970) - 1970) * 12 + np.where(good, month, 1) - 1
    begins = month_of.astype("datetime64[M]").astype("datetime64[D]")
    ends = (month_of + 1).astype("datetime64[M]").astype("datetime64[D]")
    days = begins.astype(np.int64) + day - 1
    good &= days < ends.astype(np.int64)
    return np.where(good, days, 0) * DAY_NS, good
