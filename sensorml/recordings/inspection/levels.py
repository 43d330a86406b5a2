"""The level of a channel piece by piece, and the stretches in which it has none.

A sensor that has failed is not always frozen: a loose wire or a dead element leaves
the noise of the converter about a constant. Its level is then a small part of the
level elsewhere, and even. A machine with impulses has quiet pieces, too, but many of
them; and one that is switched on and off comes back.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.types import Float32

Float64: TypeAlias = NDArray[np.float64]

_PIECE: Final = 64
_MOST_PIECES: Final = 2048
_LEAST_PIECES: Final = 8
_LOUD: Final = 0.95  # the quantile of the levels that the others are compared with
_TIMES: Final = 30.0  # that a quiet piece is below it
_EVEN: Final = 8.0  # times the usual level of a stretch that none of its pieces exceeds
_MOST_STRETCHES: Final = 2  # more are a machine that is switched on and off
_SHORTEST: Final = 2  # pieces of a stretch


class Quiet(NamedTuple):
    """Consecutive rows in which a channel has nearly no level."""

    first: int
    rows: int
    times: float
    """The level elsewhere over that of these rows."""

    @property
    def last(self) -> int:
        return self.first + self.rows - 1


class Levels:
    """The levels of one channel, in memory that does not grow with its rows."""

    def __init__(self) -> None:
        self._rows = _PIECE
        # By piece: its rows, the sum of values, of their squares, of squared steps.
        self._sums: Float64 = np.empty((0, 4))
        self._rest: Float64 = np.empty((0, 2))

    def add(self, values: Float64, steps: Float32) -> None:
        """Add the next values, about any zero, and the step to each of them."""
        both = np.concatenate((self._rest, np.stack((values, steps), axis=1)))
        whole = len(both) - len(both) % self._rows
        self._rest = both[whole:].copy()
        pieces = both[:whole].reshape(-1, self._rows, 2)
        rows = np.full(len(pieces), self._rows, np.float64)
        squares = np.einsum("ijk,ijk->ik", pieces, pieces)
        sums = np.column_stack((rows, pieces[:, :, 0].sum(axis=1), squares))
        self._sums = np.concatenate((self._sums, sums))
        while len(self._sums) > _MOST_PIECES:
            pairs = np.arange(0, len(self._sums), 2)
            self._sums = np.add.reduceat(self._sums, pairs, axis=0)
            self._rows *= 2

    def quiet(self, *, slow: bool) -> tuple[Quiet, ...]:
        """Return the stretches without a level, at most two.

        Args:
            slow: true for a slow process, which may rest: its steps from row to row
                must then be as small as its level.
        """
        if len(self._sums) < _LEAST_PIECES:
            return ()
        means = self._sums[:, 1:] / self._sums[:, :1]
        level = np.sqrt(np.maximum(means[:, 1] - np.square(means[:, 0]), 0.0))
        small = level * _TIMES < np.quantile(level, _LOUD)
        if slow:
            step = np.sqrt(means[:, 2])
            small &= step * _TIMES < np.quantile(step, _LOUD)
        edges = np.flatnonzero(np.diff(small, prepend=False, append=False))
        stretches = edges.reshape(-1, 2).tolist()
        if not 0 < len(stretches) <= _MOST_STRETCHES:
            return ()
        elsewhere = float(np.median(level[~small]))
        return tuple(
            self._stretch(first, stop, elsewhere / float(np.median(level[first:stop])))
            for first, stop in stretches
            if stop - first >= _SHORTEST and _is_even(level[first:stop])
        )

    def _stretch(self, first: int, stop: int, times: float) -> Quiet:
        """Return the rows of some pieces."""
        ends = np.cumsum(self._sums[:, 0], dtype=np.int64)
        begin = int(ends[first - 1]) if first else 0
        # The rows after the last piece are too few for one of their own.
        after = len(self._rest) if stop == len(ends) else 0
        return Quiet(begin, int(ends[stop - 1]) + after - begin, times)


def _is_even(level: Float64) -> bool:
    return 0.0 < float(level.max()) <= _EVEN * float(np.median(level))
