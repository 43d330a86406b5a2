"""Columns of a table: which are the time, which are channels, and why not.

Decided on the first rows. Nothing that rises like a clock or a counter is a
channel unless it is named, and whatever is left out is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings import clocks, time_texts
from sensorml.recordings.fields import Kind, number
from sensorml.recordings.layout import Layout
from sensorml.recordings.recording import TableOptions
from sensorml.recordings.segments import Float64
from sensorml.recordings.time_texts import Order
from sensorml.recordings.units import factor, name_and_unit, spelled

_COUNTERS: Final = frozenset(
    [
        "sample",
        "samples",
        "sample_no",
        "sampleno",
        "index",
        "idx",
        "counter",
        "count",
        "seq",
        "sequence",
        "no",
        "nr",
        "num",
        "number",
        "row",
        "rowid",
        "id",
        "#",
        "n",
        "packet",
        "frame",
        "record",
        "scan",
        "lp",
        "lfd",
        "item",
        "point",
        "i",
    ]
) | {""}
_KEYS: Final = frozenset(
    [
        "_field",
        "_measurement",
        "entity_id",
        "entity",
        "sensor",
        "sensor_id",
        "device",
        "device_id",
        "channel",
        "topic",
        "tag",
        "field",
        "metric",
        "location",
        "source",
        "node",
        "node_id",
        "name",
        "kind",
    ]
)
_INFLUX: Final = frozenset({"result", "table", "_start", "_stop"})
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
    "us": ("us", 1_000_000),
    "µs": ("us", 1_000_000),
    "microsecond": ("us", 1_000_000),
    "microseconds": ("us", 1_000_000),
}
_MOST_KEYS = 64
_SOME = 16  # rows from which a column is believed to rise
_EXACT = 15  # digits that a float64 keeps


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says about a table."""

    channels: Sequence[str] | None
    rate_hz: float | None
    unit: str
    table: TableOptions


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
    says: str
    """Which columns in which unit, for people."""


class Columns(NamedTuple):
    """The roles of the columns."""

    channels: tuple[int, ...]
    names: tuple[str, ...]
    factors: tuple[float, ...]
    """From the unit of each channel to `unit`."""
    unit: str
    clock: Clock | None
    keys: tuple[int, ...]
    """Columns of texts that must not change, or are compared with `where`."""
    where: Mapping[int, str]
    left_out: tuple[str, ...]
    """Names, each with the reason."""


def find_columns(
    path: Path, layout: Layout, rows: Sequence[Sequence[str]], asked: Asked
) -> Columns:
    """Give each column its role.

    Args:
        path: Where it is, for the messages.
        layout: Of the table.
        rows: Its first rows, each of `layout.width` fields.
        asked: What the user says.

    Raises:
        RecordingError: a column is not there, or what it is cannot be decided.
    """
    return _Roles(path, layout, rows, asked).columns()


class _Roles:
    """The first rows, column by column, and the decisions on them."""

    def __init__(
        self,
        path: Path,
        layout: Layout,
        rows: Sequence[Sequence[str]],
        asked: Asked,
    ) -> None:
        self._path = path
        self._layout = layout
        self._asked = asked
        self._texts = [list(column) for column in zip(*rows, strict=True)]
        self._names = [
            name or ("" if layout.header else f"column {i + 1}")
            for i, name in enumerate(layout.names)
        ]
        self._left: dict[int, str] = {}
        self._where = {self._find(c): v for c, v in asked.table.where.items()}
        if self._where:
            self._keep_where()
        self._values: dict[int, Float64] = {}

    def columns(self) -> Columns:
        named = self._named()
        clock = self._clock(named or ())
        keys = self._keys(named or ())
        times = set() if clock is None else _columns_of(clock)
        channels = named if named is not None else self._channels(times, keys)
        channels = self._numbered(channels)
        if not channels:
            raise RecordingError(
                f"{self._path}: has no column of numbers but its times and counters"
                f"{self._reasons()}: choose columns with --channels"
            )
        names, units = self._name_and_unit(channels)
        unit, factors = self._unit(names, units)
        if len(set(names)) < len(names):
            name = next(n for n in names if names.count(n) > 1)
            raise RecordingError(
                f"{self._path}: has {names.count(name)} columns {name!r}: rename all "
                "but one"
            )
        left = tuple(
            f"{self._names[i] or f'column {i + 1}'} ({why})"
            for i, why in sorted(self._left.items())
            if i not in channels and i not in times and i not in self._where
        )
        return Columns(
            tuple(channels), tuple(names), factors, unit, clock, keys, self._where, left
        )

    def _keep_where(self) -> None:
        rows = [
            row
            for row in zip(*self._texts, strict=True)
            if all(row[i] == value for i, value in self._where.items())
        ]
        if rows:  # else they come later, or not at all
            self._texts = [list(column) for column in zip(*rows, strict=True)]

    def _find(self, wanted: str) -> int:
        """Return the column of a name, as written or without its unit."""
        for same in (str, _bare):
            found = [
                i for i, n in enumerate(self._names) if n and same(n) == same(wanted)
            ]
            if len(found) > 1:
                raise RecordingError(
                    f"{self._path}: has {len(found)} columns {wanted!r}: rename all but "
                    "one"
                )
            if found:
                return found[0]
        if wanted.isdecimal() and 1 <= int(wanted) <= len(self._names):
            return int(wanted) - 1
        known = ", ".join(n for n in self._names[:12] if n)
        more = ", …" if len(self._names) > 12 else ""
        raise NoChannelError(
            f"{self._path}: has no channel {wanted!r}: choose of {known}{more}"
        )

    def _named(self) -> list[int] | None:
        """Return the columns of --channels, if it names columns."""
        wanted = self._asked.channels
        if wanted is None:
            return None
        try:
            return [self._find(name) for name in wanted]
        except NoChannelError:
            if self._layout.header:
                raise
            return None  # new names, or ch1, ch2

    def _numbered(self, channels: list[int]) -> list[int]:
        """Return those of the channels that are asked for as ch1, ch2."""
        wanted = self._asked.channels
        if wanted is None or self._layout.header:
            return channels
        places = {f"ch{place + 1}": i for place, i in enumerate(channels)}
        return [places[n] for n in wanted] if set(wanted) <= set(places) else channels

    def _number(self, i: int) -> Float64:
        if i not in self._values:
            decimal = self._layout.decimal
            texts = self._texts[i]
            self._values[i] = np.array([number(text, decimal) for text in texts])
        return self._values[i]

    def _kind(self, i: int) -> Kind:
        return self._layout.kinds[i]

    def _clock(self, named: Sequence[int]) -> Clock | None:
        """Choose the column, or columns, of the time."""
        if self._asked.table.time is not None:
            return self._chosen_clock(self._find(self._asked.table.time))
        free = [i for i in range(len(self._names)) if i not in named]
        texts = [i for i in free if self._kind(i) is Kind.TIME]
        dates = [i for i in texts if ":" not in self._texts[i][0]]
        times = [i for i in texts if not _dated(self._texts[i][0])]
        parts = self._clock_parts(free)
        if dates and times and self._distinct(dates[0]) < 1.0:
            return self._text_clock((dates[0], times[0]), self._fraction(times[0]))
        if parts and any(unit == "s" for _, unit in parts):
            return self._parts_clock(dates[:1], parts)
        candidates = [i for i in free if self._may_be_time(i)]
        if not candidates:
            return None
        most = max(self._distinct(i) for i in candidates)
        best = next(i for i in candidates if self._distinct(i) >= 0.9 * most)
        for i in candidates:
            self._left[i] = f"a second clock beside {self._names[best]}"
        return self._one_clock(best)

    def _chosen_clock(self, i: int) -> Clock:
        if self._kind(i) in {Kind.NUMBER, Kind.TIME}:
            return self._one_clock(i)
        raise RecordingError(
            f"{self._path}: column {self._names[i]!r} holds {self._texts[i][0]!r}, which "
            "is no time: choose another with --time"
        )

    def _may_be_time(self, i: int) -> bool:
        """Return whether a column is named and runs like a clock."""
        name = self._names[i]
        if self._kind(i) is Kind.TIME:
            return name not in _INFLUX and self._distinct(i) > 0
        if self._kind(i) is not Kind.NUMBER:
            return False
        values = self._number(i)
        finite = values[np.isfinite(values)]
        if not self._layout.header:
            first = not any(self._kind(c) is Kind.NUMBER for c in range(i))
            others = sum(kind is Kind.NUMBER for kind in self._layout.kinds) > 1
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

    def _distinct(self, i: int) -> float:
        texts = self._texts[i]
        return (len(set(texts)) - 1) / max(1, len(texts) - 1) if len(texts) > 1 else 1.0

    def _clock_parts(self, free: Sequence[int]) -> list[tuple[int, str]]:
        """Return the columns of hours, minutes, seconds and their fractions."""
        found: dict[str, int] = {}
        for i in free:
            unit, most = _PARTS.get(self._names[i].strip().lower(), ("", 0))
            if not unit or self._kind(i) is not Kind.NUMBER:
                continue
            values = self._number(i)
            inside = (values >= 0) & (values < most)
            if bool(inside[np.isfinite(values)].all()) and unit not in found:
                found[unit] = i
        if not {"min", "s"} <= found.keys():
            return []
        return [(i, unit) for unit, i in found.items()]

    def _parts_clock(
        self, dates: Sequence[int], parts: Sequence[tuple[int, str]]
    ) -> Clock:
        names = [self._names[i] for i in (*dates, *(i for i, _ in parts))]
        return Clock(
            texts=tuple(dates),
            order=self._order(dates[0]) if dates else None,
            numbers=tuple((i, clocks.UNITS_NS[unit], 0) for i, unit in parts),
            exact=(),
            dated=bool(dates),
            says=clocks.describe(names),
        )

    def _fraction(self, time: int) -> list[tuple[int, str]]:
        """Return a column of ms or µs beside a time of day in whole seconds."""
        if re.search(r"[.,]\d", self._texts[time][0]):
            return []
        for i, name in enumerate(self._names):
            unit, most = _PARTS.get(name.strip().lower(), ("", 0))
            if unit in {"ms", "us"} and self._kind(i) is Kind.NUMBER:
                values = self._number(i)
                if bool(((values >= 0) & (values < most)).all()):
                    return [(i, unit)]
        return []

    def _text_clock(
        self, columns: tuple[int, ...], fraction: Sequence[tuple[int, str]] = ()
    ) -> Clock:
        dated = next((i for i in columns if _dated(self._texts[i][0])), None)
        names = [self._names[i] for i in (*columns, *(i for i, _ in fraction))]
        return Clock(
            texts=columns,
            order=None if dated is None else self._order(dated),
            numbers=tuple((i, clocks.UNITS_NS[unit], 0) for i, unit in fraction),
            exact=(),
            dated=dated is not None,
            says=clocks.describe(names)
            + ("" if dated is not None else ", without date"),
        )

    def _one_clock(self, i: int) -> Clock:
        if self._kind(i) is Kind.TIME:
            return self._text_clock((i,), self._fraction(i))
        name, texts = self._names[i], self._texts[i]
        said = clocks.time_name(name)
        unit = clocks.choose_unit(
            self._path,
            name,
            self._number(i),
            named=self._time_unit() or (said.unit if said else "") or self._row_unit(i),
            rate_hz=self._asked.rate_hz,
        )
        since = "" if not self._since_1970(i, unit) else " since 1970"
        digits = max(sum(c.isdigit() for c in text) for text in texts)
        exact = digits > _EXACT and unit not in clocks.DAY_ZERO
        exact = exact and not any("e" in text.lower() for text in texts)
        zero = clocks.DAY_ZERO.get(unit, 0)
        of = f"{name!r}" if self._layout.header else name
        return Clock(
            texts=(),
            order=None,
            numbers=() if exact else ((i, clocks.unit_ns(unit), zero),),
            exact=((i, clocks.unit_ns(unit)),) if exact else (),
            dated=True,
            says=f"{of} in {unit}{since}" + (" days" if zero else ""),
        )

    def _row_unit(self, i: int) -> str:
        """Return the unit of time that the row of units says for a column."""
        said = clocks.time_name(
            f"t {self._layout.units[i]}" if self._layout.units else ""
        )
        return said.unit if said else ""

    def _since_1970(self, i: int, unit: str) -> bool:
        first = self._number(i)[0] * clocks.unit_ns(unit) / 1e9
        return unit not in clocks.DAY_ZERO and bool(978e6 < first < 4e9)

    def _time_unit(self) -> str:
        unit = self._asked.table.time_unit or ""
        return "" if unit in {"dmy", "mdy"} else unit

    def _order(self, i: int) -> Order | None:
        """Return the order of day and month, or ask for it."""
        asked = self._asked.table.time_unit or clocks.order_in_name(self._names[i])
        if asked == "dmy" or asked == "mdy":
            return "dmy" if asked == "dmy" else "mdy"
        order = time_texts.order_of(self._texts[i])
        if order != "unclear":
            return order
        texts = np.array([text.encode() for text in self._texts[i]])
        wild = [_wild(time_texts.parse(texts, o).ns) for o in ("dmy", "mdy")]
        if wild[0] != wild[1]:
            return "mdy" if wild[0] else "dmy"
        raise RecordingError(
            f"{self._path}: {self._texts[i][0]!r} in column {self._names[i]!r} may be day "
            "or month first: say which with --time-unit dmy or --time-unit mdy"
        )

    def _keys(self, named: Sequence[int]) -> tuple[int, ...]:
        """Return the text columns to watch; ask for --where if they name channels."""
        keys: list[int] = list(self._where)
        for i, name in enumerate(self._names):
            if self._kind(i) is not Kind.TEXT or i in named or i in keys:
                continue
            texts = self._texts[i]
            distinct = len(set(texts))
            changes = sum(a != b for a, b in zip(texts, texts[1:], strict=False))
            often = changes > 0.1 * len(texts) and distinct <= min(
                _MOST_KEYS, max(2, len(texts) // 2)
            )
            if distinct > 1 and (often or name.lower() in _KEYS) and len(texts) > 3:
                raise ask_where(self._path, name, sorted(set(texts)))
            if name.lower() in _KEYS:
                keys.append(i)
        return tuple(keys)

    def _channels(self, times: set[int], keys: Sequence[int]) -> list[int]:
        """Return the columns of numbers that are neither clocks nor counters."""
        wanted: list[int] = []
        influx = {"_time", "_value"} <= set(self._names)
        for i, name in enumerate(self._names):
            if i in times or i in self._left:
                continue
            if i in keys:
                self._left[i] = f"always {self._texts[i][0]!r}"
            elif influx and name in _INFLUX:
                self._left[i] = "InfluxDB's own"
            elif (why := self._why_no_channel(i)) is not None:
                self._left[i] = why
            else:
                wanted.append(i)
        return wanted

    def _why_no_channel(self, i: int) -> str | None:
        """Return why a column is no channel, None when it is one."""
        name, kind = self._names[i], self._kind(i)
        if kind is not Kind.NUMBER:
            return {
                Kind.MISSING: "empty",
                Kind.TIME: "a time",
                Kind.TEXT: "text",
            }[kind]
        values = self._number(i)
        finite = values[np.isfinite(values)]
        if len(finite) < 0.5 * len(values):
            return "empty in most rows"
        rises = len(finite) > 1 and bool((np.diff(finite) >= 0).all())
        rises = rises and finite[-1] > finite[0]
        if (
            name.strip().lower() in _COUNTERS
            and rises
            and (finite == np.floor(finite)).all()
        ):
            return "a counter"
        if not name:
            return "has no name"
        said = clocks.time_name(name)
        if said is not None and said.sure:
            return (
                "a second clock" if rises else "named a time and does not run like one"
            )
        if not self._layout.header and i == 0 and counts_from_zero(finite):
            return "a counter"
        if len(finite) >= _SOME and len(np.unique(finite)) >= 8:
            if rises:
                return "only rises, as a clock or a counter does"
            if bool((np.diff(finite) < 0).all()):
                return "only falls, as a countdown does"
        return None

    def _name_and_unit(self, channels: Sequence[int]) -> tuple[list[str], list[str]]:
        """Return the name and the unit of each channel."""
        wanted = self._asked.channels
        names, units = [], []
        for place, i in enumerate(channels):
            name, unit = name_and_unit(self._names[i])
            row = self._layout.units[i] if self._layout.units else ""
            units.append(unit or spelled(row))
            names.append(name if self._layout.header else f"ch{place + 1}")
        if wanted is not None and (self._layout.header or self._all_found(wanted)):
            return list(wanted), units
        if wanted is not None:
            if len(wanted) != len(names):
                raise NoChannelError(
                    f"{self._path}: has no header and {len(names)} channels, and "
                    f"{len(wanted)} names were given: name each of them"
                )
            return list(wanted), units
        return names, units

    def _all_found(self, wanted: Sequence[str]) -> bool:
        return all(name in self._names for name in wanted)

    def _unit(
        self, names: Sequence[str], units: Sequence[str]
    ) -> tuple[str, tuple[float, ...]]:
        """Return the common unit, and what brings each channel to it."""
        first = next((unit for unit in units if unit), "")
        if not first:
            return self._asked.unit, (1.0,) * len(names)
        factors = [factor(unit, first) if unit else None for unit in units]
        if all(f is not None for f in factors):
            return first, tuple(f for f in factors if f is not None)
        return "", (1.0,) * len(names)

    def _reasons(self) -> str:
        left = [f"{self._names[i] or i + 1}: {why}" for i, why in self._left.items()]
        return f" ({'; '.join(left[:6])})" if left else ""


def ask_where(path: Path, name: str, values: Sequence[str]) -> RecordingError:
    """Return the question which rows of a long table to take."""
    return RecordingError(
        f"{path}: is a long table, whose column {name!r} says which sensor a row is of "
        f"({_some(values)}): choose one with --where {name}=VALUE"
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


def _bare(name: str) -> str:
    return name_and_unit(name)[0].strip().lower()


def _dated(text: str) -> bool:
    return re.match(r"\d{1,4}[-/.]\d|\d{8}|\d{1,2}[- ][A-Za-z]", text) is not None


def _wild(ns: object) -> bool:
    """Return whether times go back, or jump by weeks."""
    steps = np.diff(np.asarray(ns, np.int64))
    return bool((steps < 0).any() or (steps > 27 * time_texts.DAY_NS).any())


def _columns_of(clock: Clock) -> set[int]:
    return {
        *clock.texts,
        *(i for i, _, _ in clock.numbers),
        *(i for i, _ in clock.exact),
    }


def _some(values: Sequence[str]) -> str:
    known = list(dict.fromkeys(values))
    return ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
