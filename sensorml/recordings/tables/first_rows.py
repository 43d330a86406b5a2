"""The first rows of a table, column by column, and the options of the user for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings.recording import TableOptions
from sensorml.recordings.segments import Float64
from sensorml.recordings.tables.fields import Kind, number
from sensorml.recordings.tables.layout import Layout
from sensorml.recordings.tables.units import name_and_unit


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the user for a table."""

    channels: Sequence[str] | None
    rate_hz: float | None
    unit: str
    table: TableOptions


class FirstRows:
    """The first rows of a table.

    Attributes:
        path: of the table, for messages.
        layout: of the table.
        texts: the fields of each column.
        names: of the columns; "column 1" where there is no header.
    """

    def __init__(
        self, path: Path, layout: Layout, rows: Sequence[Sequence[str]]
    ) -> None:
        self.path = path
        self.layout = layout
        self.texts = [list(column) for column in zip(*rows, strict=True)]
        self.names = [
            name or ("" if layout.header else f"column {i + 1}")
            for i, name in enumerate(layout.names)
        ]
        self._values: dict[int, Float64] = {}

    def find(self, wanted: str) -> int:
        """Return the column of a name, as written or without its unit."""
        for same in (str, _bare):
            found = [
                i for i, n in enumerate(self.names) if n and same(n) == same(wanted)
            ]
            if len(found) > 1:
                raise RecordingError(
                    f"{self.path}: has {len(found)} columns {wanted!r}: rename all but "
                    "one"
                )
            if found:
                return found[0]
        if wanted.isdecimal() and 1 <= int(wanted) <= len(self.names):
            return int(wanted) - 1
        known = ", ".join(n for n in self.names[:12] if n)
        more = ", …" if len(self.names) > 12 else ""
        raise NoChannelError(
            f"{self.path}: has no channel {wanted!r}: choose of {known}{more}"
        )

    def number(self, i: int) -> Float64:
        if i not in self._values:
            self._values[i] = _numbers(self.texts[i], self.layout.decimal)
        return self._values[i]

    def kind(self, i: int) -> Kind:
        return self.layout.kinds[i]

    def distinct(self, i: int) -> float:
        """Return the share of the rows whose text is another one."""
        texts = self.texts[i]
        return (len(set(texts)) - 1) / max(1, len(texts) - 1) if len(texts) > 1 else 1.0


def _numbers(texts: Sequence[str], decimal: str) -> Float64:
    """Return the values of fields, NaN where one is no finite number."""
    if decimal == ".":
        with suppress(ValueError):  # else one by one
            values = np.array(texts).astype(np.float64)
            return np.where(np.isfinite(values), values, np.nan)
    return np.array([number(text, decimal) for text in texts])


def _bare(name: str) -> str:
    return name_and_unit(name)[0].strip().lower()
