"""Columns of a table: which are the time, which are channels, and why not.

Decided on the first rows. Nothing that rises like a clock or a counter is a
channel unless it is named, and whatever is left out is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings.segments import Float64
from sensorml.recordings.tables import clocks
from sensorml.recordings.tables.fields import Kind, kind_of
from sensorml.recordings.tables.first_rows import Asked, FirstRows
from sensorml.recordings.tables.layout import Layout
from sensorml.recordings.tables.time_columns import (
    INFLUX,
    Clock,
    ClockChoice,
    columns_of,
    counts_from_zero,
)
from sensorml.recordings.tables.units import common_unit, name_and_unit, spelled

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
OWN_TIME: Final = "utc_ns"
"""The first column of a table that sensorml writes: the exact time of each row. All
other columns are channels, whatever they look like."""
_MOST_KEYS = 64
_SOME = 16  # rows from which a column is believed to rise


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
    exact: bool
    """True for the times of sensorml itself: an uneven pace stays as it is."""
    remarks: tuple[str, ...] = ()
    """Further remarks, in words."""


def find_columns(
    path: Path, layout: Layout, rows: Sequence[Sequence[str]], asked: Asked
) -> Columns:
    """Give each column its role.

    Args:
        path: Where it is, for the messages.
        layout: Of the table.
        rows: Its first rows, each of `layout.width` fields.
        asked: The options of the user.

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
        self._head = FirstRows(path, layout, rows)
        self._asked = asked
        self._own = layout.header and layout.names[0] == OWN_TIME
        if self._own and asked.table.time is None:
            self._asked = replace(asked, table=replace(asked.table, time=OWN_TIME))
        self._left: dict[int, str] = {}
        self._where = {self._head.find(c): v for c, v in asked.table.where.items()}
        if self._where:
            self._keep_where()

    def columns(self) -> Columns:
        named = self._named()
        self._refuse_two_marks()
        choice = ClockChoice(self._head, self._asked)
        clock = choice.choose(named or ())
        self._left |= choice.left_out
        keys = self._keys(named or ())
        times = set() if clock is None else columns_of(clock)
        channels = named if named is not None else self._channels(times, keys)
        channels = self._numbered(channels)
        if not channels:
            raise RecordingError(
                f"{self._head.path}: has no column of numbers but its times and "
                f"counters{self._reasons()}: choose columns with --channels"
            )
        names, units = self._name_and_unit(channels)
        common = common_unit(self._head.path, names, units, self._asked.unit)
        if len(set(names)) < len(names):
            name = next(n for n in names if names.count(n) > 1)
            raise RecordingError(
                f"{self._head.path}: has {names.count(name)} columns {name!r}: rename "
                "all but one"
            )
        left = tuple(
            f"{self._head.names[i] or f'column {i + 1}'} ({why})"
            for i, why in sorted(self._left.items())
            if i not in channels and i not in times and i not in self._where
        )
        return Columns(
            channels=tuple(channels),
            names=tuple(names),
            factors=common.factors,
            unit=common.unit,
            remarks=common.remarks,
            clock=clock,
            keys=keys,
            where=self._where,
            left_out=left,
            exact=self._own,
        )

    def _refuse_two_marks(self) -> None:
        """Refuse a table whose columns have different decimal marks."""
        other = "," if self._head.layout.decimal == "." else "."
        for i, name in enumerate(self._head.names):
            texts = self._head.texts[i]
            if self._head.kind(i) is Kind.TEXT and other in texts[0]:
                numbers = sum(kind_of(text, other) is Kind.NUMBER for text in texts)
                if numbers > 0.9 * len(texts):
                    raise RecordingError(
                        f"{self._head.path}: column {name!r} has {other!r} as its "
                        f"decimal mark ({texts[0]}) and others have "
                        f"{self._head.layout.decimal!r}: export it with one mark"
                    )

    def _keep_where(self) -> None:
        rows = [
            row
            for row in zip(*self._head.texts, strict=True)
            if all(row[i] == value for i, value in self._where.items())
        ]
        if rows:  # else they come later, or not at all
            self._head.texts = [list(column) for column in zip(*rows, strict=True)]

    def _named(self) -> list[int] | None:
        """Return the columns of --channels if it names columns, or of our own table."""
        wanted = self._asked.channels
        if wanted is None:
            return list(range(1, len(self._head.names))) if self._own else None
        try:
            return [self._head.find(name) for name in wanted]
        except NoChannelError:
            if self._head.layout.header:
                raise
            return None  # new names, or ch1, ch2

    def _numbered(self, channels: list[int]) -> list[int]:
        """Return those of the channels that are asked for as ch1, ch2."""
        wanted = self._asked.channels
        if wanted is None or self._head.layout.header:
            return channels
        places = {f"ch{place + 1}": i for place, i in enumerate(channels)}
        return [places[n] for n in wanted] if set(wanted) <= set(places) else channels

    def _keys(self, named: Sequence[int]) -> tuple[int, ...]:
        """Return the text columns to watch; ask for --where if they name channels."""
        keys: list[int] = list(self._where)
        for i, name in enumerate(self._head.names):
            if self._head.kind(i) is not Kind.TEXT or i in named or i in keys:
                continue
            texts = self._head.texts[i]
            distinct = len(set(texts))
            changes = sum(a != b for a, b in pairwise(texts))
            often = changes > 0.1 * len(texts) and distinct <= min(
                _MOST_KEYS, max(2, len(texts) // 2)
            )
            if distinct > 1 and (often or name.lower() in _KEYS) and len(texts) > 3:
                raise ask_where(self._head.path, name, sorted(set(texts)))
            if name.lower() in _KEYS:
                keys.append(i)
        return tuple(keys)

    def _channels(self, times: set[int], keys: Sequence[int]) -> list[int]:
        """Return the columns of numbers that are neither clocks nor counters."""
        wanted: list[int] = []
        influx = {"_time", "_value"} <= set(self._head.names)
        for i, name in enumerate(self._head.names):
            if i in times or i in self._left:
                continue
            if i in keys:
                self._left[i] = f"always {self._head.texts[i][0]!r}"
            elif influx and name in INFLUX:
                self._left[i] = "InfluxDB's own"
            elif (why := self._why_no_channel(i)) is not None:
                self._left[i] = why
            else:
                wanted.append(i)
        return wanted

    def _why_no_channel(self, i: int) -> str | None:
        """Return why a column is no channel, None when it is one."""
        name, kind = self._head.names[i], self._head.kind(i)
        if kind is not Kind.NUMBER:
            return {
                Kind.MISSING: "empty",
                Kind.TIME: "a time",
                Kind.TEXT: "text",
            }[kind]
        values = self._head.number(i)
        finite = values[np.isfinite(values)]
        if len(finite) < 0.5 * len(values):
            return "empty in most rows"
        if (why := self._why_a_clock(i, name, finite)) is not None:
            return why
        return None if name else "has no name"

    def _why_a_clock(self, i: int, name: str, finite: Float64) -> str | None:
        """Return why numbers are a clock or a counter, None where they are not."""
        steps = np.diff(finite)
        rises = len(finite) > 1 and bool((steps >= 0).all() and finite[-1] > finite[0])
        whole = bool((finite == np.floor(finite)).all())
        first = not self._head.layout.header and i == 0 and counts_from_zero(finite)
        if first or (rises and whole and name.strip().lower() in _COUNTERS):
            return "a counter"
        said = clocks.time_name(name)
        if said is not None and said.sure:
            return (
                "a second clock" if rises else "named a time and does not run like one"
            )
        if len(finite) < _SOME or len(np.unique(finite)) < 8:
            return None
        if rises:
            return "only rises, as a clock or a counter does"
        return "only falls, as a countdown does" if (steps < 0).all() else None

    def _name_and_unit(self, channels: Sequence[int]) -> tuple[list[str], list[str]]:
        """Return the name and the unit of each channel."""
        wanted = self._asked.channels
        names, units = [], []
        for place, i in enumerate(channels):
            name, unit = name_and_unit(self._head.names[i])
            row = self._head.layout.units[i] if self._head.layout.units else ""
            units.append(unit or spelled(row))
            names.append(name if self._head.layout.header else f"ch{place + 1}")
        if wanted is not None and (self._head.layout.header or self._all_found(wanted)):
            return list(wanted), units
        if wanted is not None:
            if len(wanted) != len(names):
                raise NoChannelError(
                    f"{self._head.path}: has no header and {len(names)} channels, and "
                    f"{len(wanted)} names were given: name each of them"
                )
            return list(wanted), units
        return names, units

    def _all_found(self, wanted: Sequence[str]) -> bool:
        return all(name in self._head.names for name in wanted)

    def _reasons(self) -> str:
        left = [
            f"{self._head.names[i] or i + 1}: {why}" for i, why in self._left.items()
        ]
        return f" ({'; '.join(left[:6])})" if left else ""


def ask_where(path: Path, name: str, values: Sequence[str]) -> RecordingError:
    """Return the question which rows of a long table to take."""
    return RecordingError(
        f"{path}: is a long table, whose column {name!r} says which sensor a row is of "
        f"({_some(values)}): choose one with --where {name}=VALUE"
    )


def _some(values: Sequence[str]) -> str:
    known = list(dict.fromkeys(values))
    return ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
