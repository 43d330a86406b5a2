"""The values that a channel cannot exceed: full scale, seen in the samples.

A signal that is cut off has its largest value far more often than those just below
it. The crest of a sine has it 2.4 times as often at most, and noise less often.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from sensorml.recordings.spool import Samples, Spool, pieces
from sensorml.types import Float32

_KEPT: Final = 16  # distinct values at each end; a switch has fewer
_TIMES_AS_OFTEN: Final = 4.0
_LEAST: Final = 8  # rows at a rail


class Rail:
    """The largest values of a channel, block by block."""

    def __init__(self) -> None:
        self._values = np.empty(0, np.float32)  # distinct, rising
        self._counts = np.empty(0, np.int64)

    def add(self, samples: Float32) -> None:
        """Add the samples of one channel."""
        if len(self._values) == _KEPT:
            samples = samples[samples >= self._values[0]]
        if not len(samples):
            return
        if len(samples) > 4096:
            # Most values lie below the largest of a part of them.
            largest = np.unique(samples[:2048])[-_KEPT:]
            if len(largest) == _KEPT:
                samples = samples[samples >= largest[0]]
        values, counts = np.unique(samples, return_counts=True)
        merged, place = np.unique(
            np.concatenate((self._values, values[-_KEPT:])), return_inverse=True
        )
        total = np.zeros(len(merged), np.int64)
        np.add.at(total, place.ravel(), np.concatenate((self._counts, counts[-_KEPT:])))
        self._values, self._counts = merged[-_KEPT:], total[-_KEPT:]

    @property
    def value(self) -> float:
        return float(self._values[-1])

    @property
    def rows(self) -> int:
        """Rows that are cut off at the largest value; 0 where nothing is."""
        if len(self._values) < _KEPT or self._counts[-1] < _LEAST:
            return 0
        beside = float(np.mean(self._counts[-9:-1]))
        count = int(self._counts[-1])
        return count if count > _TIMES_AS_OFTEN * beside else 0


def at_rails(path: Path, samples: Samples, channels: int) -> Spool[np.intp]:
    """Return the rows of samples (n, channels) with a channel at one of its rails."""
    signs = (np.float32(1), np.float32(-1))
    rails = [(channel, sign, Rail()) for channel in range(channels) for sign in signs]
    for piece in pieces(samples):
        for channel, sign, rail in rails:
            rail.add(sign * piece[:, channel])
    rows = Spool(path, np.intp)
    reached = [
        (channel, sign * rail.value) for channel, sign, rail in rails if rail.rows
    ]
    row = 0
    for piece in pieces(samples) if reached else ():
        found = np.zeros(len(piece), np.bool_)
        for channel, value in reached:
            found |= piece[:, channel] == np.float32(value)
        rows.append(np.flatnonzero(found) + row)
        row += len(piece)
    return rows
