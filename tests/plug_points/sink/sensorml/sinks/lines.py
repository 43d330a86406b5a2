"""A text file: one line a row, its kind first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sensorml.interfaces import Delivered, Outcome, Retry, Row
from sensorml.schema import Table


class Options(Table, frozen=True, kw_only=True):
    """The keys of a `[[sink]]` with `driver = "lines"`."""

    path: str


class Sink:
    """One file, opened for every batch."""

    batch_rows = 1000

    def __init__(self, options: Options, tags: Mapping[str, str]) -> None:
        self._path = Path(options.path)
        self._device = tags["device"]

    def send(self, kind: str, rows: Sequence[Row]) -> Outcome:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                for row in rows:
                    print(self._device, kind, *row, file=file)
        except OSError as err:
            return Retry(f"{self._path}: {err.strerror}")
        return Delivered()

    def close(self) -> None:
        """Hold nothing."""
