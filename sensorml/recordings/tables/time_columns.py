"""The time of a table's rows: one column, or several that add up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import RecordingError
from sensorml.recordings.segments import Float64
from sensorml.recordings.tables import clocks, time_texts
from sensorml.recordings.tables.fields import Kind
from sensorml.recordings.tables.first_rows import Asked, FirstRows
from sensorml.recordings.tables.time_texts import Order

INFLUX: Final = frozenset({"result", "table", "_start", "_stop"})
_PARTS: Final = {
    "h": ("h", 24),
    "hour": ("h", 24),
    "hours": ("h", 24),
    "hh": ("h", 24),
    "m": ("min", 60),
    "min": ("min", 60),
    "minute": ("min", 60),
    "minutes": ("min", 60),
    "mm": ("min", 60),
    "s": ("s", 61),
    "sec": ("s", 61),
    "second": ("s", 61),
    "seconds": ("s", 61),
    "ss": ("s", 61),
    "ms": ("ms", 1000),
    "millisecond": ("ms", 1000),
    "milliseconds": ("ms", 1000),
    "msec": ("ms", 1000),
    "us": ("us", 1_000_000),
    "usec": ("us", 1_000_000),
    "µs": ("us", 1_000_000),
    "microsecond": ("us", 1_000_000),
    "microseconds": ("us", 1_000_000),
}
_EXACT = 15  # digits that a float64 keeps


class Clock(NamedTuple):
    """The time of a row: the sum of its parts, in ns."""

    texts: tuple[int, ...]
    """Columns of dates and times of day."""
    order: Order | None
    numbers: tuple[tuple[int, int, int], ...]
    """Columns of numbers, each with its unit in ns and what 1970 is in it."""
    exact: tuple[tuple[int, int], ...]
    """Columns of numbers with more digits than a float64 has, and their unit."""
    dated: bool
    description: str
    """Which columns in which unit, for people."""


class ClockChoice:
    """The choice of the time among the columns of a table.

    Attributes:
        left_out: the columns that are times as well, each with the reason.
    """

    def __init__(self, head: FirstRows, asked: Asked) -> None:
        self._head = head
        self._asked = asked
        self.left_out: dict[int, str] = {}

    def choose(self, named: Sequence[int]) -> Clock | None:
        """Choose the column, or columns, of the time."""
        if self._asked.table.time is not None:
            return self._chosen_clock(self._head.find(self._asked.table.time))
        free = [i for i in range(len(self._head.names)) if i not in named]
        texts = [i for i in free if self._head.kind(i) is Kind.TIME]
        dates = [i for i in texts if ":" not in self._head.texts[i][0]]
        times = [i for i in texts if not _dated(self._head.texts[i][0])]
        parts = self._clock_parts(free)
        if dates and times and self._head.distinct(dates[0]) < 1.0:
            return self._text_clock((dates[0], times[0]), self._fraction(times[0]))
        if parts and any(unit == "s" for _, unit in parts):
            return self._parts_clock(dates[:1], parts)
        if (split := self._split_seconds(free)) is not None:
            return split
        candidates = [i for i in free if self._may_be_time(i)]
        if not candidates:
            return None
        most = max(self._head.distinct(i) for i in candidates)
        best = next(i for i in candidates if self._head.distinct(i) >= 0.9 * most)
        for i in candidates:
            self.left_out[i] = f"a second clock beside {self._head.names[best]}"
        return self._one_clock(best)

    def _chosen_clock(self, i: int) -> Clock:
        if self._head.kind(i) in {Kind.NUMBER, Kind.TIME}:
            return self._one_clock(i)
        raise RecordingError(
            f"{self._head.path}: column {self._head.names[i]!r} holds "
            f"{self._head.texts[i][0]!r}, which is no time: choose another with --time"
        )

    def _may_be_time(self, i: int) -> bool:
        """Return whether a column is named and runs like a clock."""
        name = self._head.names[i]
        if self._head.kind(i) is Kind.TIME:
            return name not in INFLUX and self._head.distinct(i) > 0
        if self._head.kind(i) is not Kind.NUMBER:
            return False
        values = self._head.number(i)
        finite = values[np.isfinite(values)]
        if not self._head.layout.header:
            first = not any(self._head.kind(c) is Kind.NUMBER for c in range(i))
            others = sum(kind is Kind.NUMBER for kind in self._head.layout.kinds) > 1
            rises = len(finite) > 1 and bool((np.diff(finite) >= 0).all())
            return (
                first
                and others
                and rises
                and runs_evenly(finite)
                and not (counts_from_zero(finite))
            )
        said = clocks.time_name(name)
        if said is None or not clocks.runs(values):
            return len(values) == 1 and said is not None
        return said.sure or runs_evenly(finite)

    def _clock_parts(self, free: Sequence[int]) -> list[tuple[int, str]]:
        """Return the columns of hours, minutes, seconds and their fractions."""
        found: dict[str, int] = {}
        for i in free:
            unit, most = _PARTS.get(self._head.names[i].strip().lower(), ("", 0))
            if not unit or self._head.kind(i) is not Kind.NUMBER:
                continue
            values = self._head.number(i)
            inside = (values >= 0) & (values < most)
            if bool(inside[np.isfinite(values)].all()) and unit not in found:
                found[unit] = i
        if not {"min", "s"} <= found.keys():
            return []
        return [(i, unit) for unit, i in found.items()]

    def _split_seconds(self, free: Sequence[int]) -> Clock | None:
        """Return the clock of seconds in one column and their fraction in another."""
        for i in free:
            unit, _ = _PARTS.get(self._head.names[i].strip().lower(), ("", 0))
            if unit != "s" or self._head.kind(i) is not Kind.NUMBER:
                continue
            values, fraction = self._head.number(i), self._fraction(i)
            if fraction and bool((values == np.floor(values)).all()):
                return self._parts_clock((), [(i, "s"), *fraction])._replace(dated=True)
        return None

    def _parts_clock(
        self, dates: Sequence[int], parts: Sequence[tuple[int, str]]
    ) -> Clock:
        names = [self._head.names[i] for i in (*dates, *(i for i, _ in parts))]
        return Clock(
            texts=tuple(dates),
            order=self._order(dates[0]) if dates else None,
            numbers=tuple((i, clocks.UNITS_NS[unit], 0) for i, unit in parts),
            exact=(),
            dated=bool(dates),
            description=clocks.describe(names),
        )

    def _fraction(self, time: int) -> list[tuple[int, str]]:
        """Return a column of ms or µs beside a time of day in whole seconds."""
        if re.search(r"[.,]\d", self._head.texts[time][0]):
            return []
        for i, name in enumerate(self._head.names):
            unit, most = _PARTS.get(name.strip().lower(), ("", 0))
            if unit in {"ms", "us"} and self._head.kind(i) is Kind.NUMBER:
                values = self._head.number(i)
                if bool(((values >= 0) & (values < most)).all()):
                    return [(i, unit)]
        return []

    def _text_clock(
        self, columns: tuple[int, ...], fraction: Sequence[tuple[int, str]] = ()
    ) -> Clock:
        dated = next((i for i in columns if _dated(self._head.texts[i][0])), None)
        names = [self._head.names[i] for i in (*columns, *(i for i, _ in fraction))]
        return Clock(
            texts=columns,
            order=None if dated is None else self._order(dated),
            numbers=tuple((i, clocks.UNITS_NS[unit], 0) for i, unit in fraction),
            exact=(),
            dated=dated is not None,
            description=clocks.describe(names)
            + ("" if dated is not None else ", without date"),
        )

    def _one_clock(self, i: int) -> Clock:
        if self._head.kind(i) is Kind.TIME:
            return self._text_clock((i,), self._fraction(i))
        name, texts = self._head.names[i], self._head.texts[i]
        said = clocks.time_name(name)
        unit = clocks.choose_unit(
            self._head.path,
            name,
            self._head.number(i),
            named=self._time_unit() or (said.unit if said else "") or self._row_unit(i),
            rate_hz=self._asked.rate_hz,
        )
        since = "" if not self._since_1970(i, unit) else " since 1970"
        digits = max(sum(c.isdigit() for c in text) for text in texts)
        exact = digits > _EXACT and unit not in clocks.DAY_ZERO
        exact = exact and not any("e" in text.lower() for text in texts)
        zero = clocks.DAY_ZERO.get(unit, 0)
        of = f"{name!r}" if self._head.layout.header else name
        return Clock(
            texts=(),
            order=None,
            numbers=() if exact else ((i, clocks.unit_ns(unit), zero),),
            exact=((i, clocks.unit_ns(unit)),) if exact else (),
            dated=True,
            description=f"{of} in {unit}{since}" + (" days" if zero else ""),
        )

    def _row_unit(self, i: int) -> str:
        """Return the unit of time of a column in the row of units."""
        said = clocks.time_name(
            f"t {self._head.layout.units[i]}" if self._head.layout.units else ""
        )
        return said.unit if said else ""

    def _since_1970(self, i: int, unit: str) -> bool:
        first = self._head.number(i)[0] * clocks.unit_ns(unit) / 1e9
        return unit not in clocks.DAY_ZERO and bool(978e6 < first < 4e9)

    def _time_unit(self) -> str:
        unit = self._asked.table.time_unit or ""
        return "" if unit in {"dmy", "mdy"} else unit

    def _order(self, i: int) -> Order | None:
        """Return the order of day and month, or ask for it."""
        asked = self._asked.table.time_unit or clocks.order_in_name(self._head.names[i])
        if asked == "dmy":
            return "dmy"
        if asked == "mdy":
            return "mdy"
        order = time_texts.order_of(self._head.texts[i])
        if order != "unclear":
            return order
        texts = np.array([text.encode() for text in self._head.texts[i]])
        wild = [_wild(time_texts.parse(texts, o).ns) for o in ("dmy", "mdy")]
        if wild[0] != wild[1]:
            return "mdy" if wild[0] else "dmy"
        raise RecordingError(
            f"{self._head.path}: {self._head.texts[i][0]!r} in column "
            f"{self._head.names[i]!r} may be day or month first: say "
            "which with --time-unit dmy or --time-unit mdy"
        )


def runs_evenly(finite: Float64) -> bool:
    """Return whether numbers rise in steps that are much alike."""
    steps = np.diff(np.sort(finite))
    if not len(steps):
        return False
    low, high = np.percentile(steps, [10, 90])
    return bool(high > 0 and high <= 4 * max(low, float(np.mean(steps)) / 4))


def counts_from_zero(finite: Float64) -> bool:
    """Return whether numbers count rows from 0 or 1."""
    return clocks.counts(finite) and bool(finite[0] in {0.0, 1.0})


def _dated(text: str) -> bool:
    return re.match(r"\d{1,4}[-/.]\d|\d{8}|\d{1,2}[- ][A-Za-z]", text) is not None


def _wild(ns: object) -> bool:
    """Return whether times go back, or jump by weeks."""
    steps = np.diff(np.asarray(ns, np.int64))
    return bool((steps < 0).any() or (steps > 27 * time_texts.DAY_NS).any())


def columns_of(clock: Clock) -> set[int]:
    return {
        *clock.texts,
        *(i for i, _, _ in clock.numbers),
        *(i for i, _ in clock.exact),
    }
