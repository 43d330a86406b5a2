"""Runs of identical values in samples that come block by block."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LONG: Final = 16
"""Rows from which a run is listed; vibration repeats a value three times at most."""
_SHORT: Final = 1024  # longer runs are counted one by one
_KEPT: Final = 4096  # of the listed runs, the longest


class Run(NamedTuple):
    """Identical values, one after the other."""

    first: int
    """Its first row."""
    rows: int

    @property
    def last(self) -> int:
        return self.first + self.rows - 1


class Runs:
    """The lengths of all runs, and the places of the longest."""

    def __init__(self) -> None:
        self._counts = np.zeros(_SHORT, np.int64)
        self._longer: list[int] = []
        self._listed = np.empty((0, 2), np.int64)
        self._rows = 0
        self._first = 0  # of the run that has not ended

    def add(self, changed: NDArray[np.bool_]) -> None:
        """Add rows; `changed` is true where one differs from the row before it."""
        if not self._rows and len(changed):
            changed = changed.copy()
            changed[0] = False  # there is no row before the first
        starts = np.flatnonzero(changed) + self._rows
        self._rows += len(changed)
        if len(starts):
            firsts = np.concatenate(([self._first], starts[:-1]))
            self._count(firsts, starts - firsts)
            self._first = int(starts[-1])

    def _count(self, firsts: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        short = lengths[lengths < _SHORT]
        self._counts += np.bincount(short, minlength=_SHORT)
        self._longer += lengths[lengths >= _SHORT].tolist()
        long = lengths >= LONG
        if long.any():
            found = np.stack((firsts[long], lengths[long]), axis=1)
            self._listed = np.concatenate((self._listed, found))
            if len(self._listed) > 2 * _KEPT:
                longest = np.argsort(self._listed[:, 1], kind="stable")[-_KEPT:]
                self._listed = self._listed[np.sort(longest)]

    def finish(self) -> None:
        """End the last run; no rows follow."""
        if self._rows > self._first:
            last = np.array([self._first])
            self._count(last, self._rows - last)
            self._first = self._rows

    def quantile(self, share: float) -> int:
        """Return the length that this share of the runs does not exceed."""
        wanted = share * (int(self._counts.sum()) + len(self._longer))
        places = np.cumsum(self._counts)
        if wanted <= places[-1]:
            return int(np.searchsorted(places, wanted))
        at = min(int(wanted - places[-1]), len(self._longer) - 1)
        return sorted(self._longer)[at]

    def usual(self) -> int:
        """Return the length of the run that the middle one of all rows is in."""
        rows = np.cumsum(self._counts * np.arange(_SHORT))
        if 2 * int(rows[-1]) >= self._rows:
            return int(np.searchsorted(rows, self._rows / 2))
        longer = np.sort(self._longer)
        at = np.searchsorted(rows[-1] + np.cumsum(longer), self._rows / 2)
        return int(longer[at])

    def between(self, least: int, below: int) -> int:
        """Return how many runs have at least `least` and fewer than `below` rows."""
        longer = sum(least <= run < below for run in self._longer)
        return int(self._counts[least:below].sum()) + longer

    def of_at_least(self, rows: int) -> tuple[Run, ...]:
        """Return the runs of at least `rows` (>= LONG), in order; at most 4096."""
        return tuple(Run(*run) for run in self._listed.tolist() if run[1] >= rows)

    def rows_in(self, rows: int) -> int:
        """Return how many rows are in runs of at least `rows`."""
        lengths = np.arange(_SHORT)
        short = int((self._counts * lengths)[min(rows, _SHORT) :].sum())
        return short + sum(run for run in self._longer if run >= rows)

    def longest_below(self, rows: int) -> int:
        """Return the length of the longest run of fewer than `rows`, at least 1."""
        longer = [run for run in self._longer if run < rows]
        if longer:
            return max(longer)
        present = np.flatnonzero(self._counts[: min(rows, _SHORT)])
        return max(1, int(present[-1])) if len(present) else 1
