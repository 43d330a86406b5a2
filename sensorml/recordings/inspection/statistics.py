"""Statistics of the channels of a recording, in one pass over its samples."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Final

import numpy as np

from sensorml.recordings.inspection.levels import Levels
from sensorml.recordings.inspection.rails import Rail
from sensorml.recordings.inspection.runs import LONG, Run, Runs
from sensorml.recordings.spool import Samples, pieces
from sensorml.types import Float32

_STEPS: Final = 512  # of a block, those that the resolution is found on
_COARSE: Final = 1.5  # times the resolution


class ChannelStatistics:
    """The statistics of one channel."""

    def __init__(self) -> None:
        self.rows = 0
        self.low = math.inf
        self.high = -math.inf
        self.rises = 0
        self.falls = 0
        self.runs = Runs()
        self.levels = Levels()
        self.top = Rail()
        self._bottom = Rail()
        self._last = math.nan
        self._zero = 0.0
        self._sum = 0.0
        self._squares = 0.0
        self._steps: list[Float32] = []

    def add(self, samples: Float32) -> None:
        """Add the next samples of the channel."""
        if not self.rows:
            self._last = self._zero = float(samples[0])
        self.rows += len(samples)
        steps = np.diff(samples, prepend=np.float32(self._last))
        self._last = float(samples[-1])
        changed = steps != 0
        self.runs.add(changed)
        self.rises += int(np.count_nonzero(steps > 0))
        self.falls += int(np.count_nonzero(steps < 0))
        moved = np.flatnonzero(changed)
        self._steps.append(np.abs(steps[moved[:: max(1, len(moved) // _STEPS)]]))
        self.low = min(self.low, float(samples.min()))
        self.high = max(self.high, float(samples.max()))
        self.top.add(samples)
        self._bottom.add(-samples)
        apart = samples.astype(np.float64) - self._zero
        self.levels.add(apart, steps)
        self._sum += float(apart.sum())
        self._squares += float(np.square(apart, out=apart).sum())

    @property
    def mean(self) -> float:
        return self._zero + self._sum / self.rows

    @property
    def level(self) -> float:
        """RMS without DC."""
        about = self._sum / self.rows
        return math.sqrt(max(0.0, self._squares / self.rows - about * about))

    @property
    def rail_rows(self) -> int:
        """Rows at a value that the channel seems unable to exceed."""
        return self.top.rows + self._bottom.rows

    @property
    def rails(self) -> tuple[float, ...]:
        """Those values."""
        ends = (-self._bottom.value, self._bottom), (self.top.value, self.top)
        return tuple(value for value, rail in ends if rail.rows)

    @property
    def resolution(self) -> float:
        """The smallest step between two rows; 0 where the channel never changes."""
        steps = np.concatenate(self._steps)
        return float(steps.min()) if len(steps) else 0.0

    @property
    def coarse(self) -> bool:
        """Return whether most steps are of one size, so that a long run is usual."""
        steps = np.concatenate(self._steps)
        if not len(steps):
            return True
        return bool(np.quantile(steps, 0.75) <= _COARSE * np.quantile(steps, 0.05))

    @cached_property
    def frozen_from(self) -> int:
        """Rows from which a run is one of a frozen sensor, by the usual runs.

        Complete once all samples are there.
        """
        most = 8 * self.runs.quantile(0.99)
        if most > LONG and not self.coarse:
            most = min(most, 32 * self.runs.quantile(0.9))
            if self._drops_out:
                most = LONG
        return max(LONG, most)

    @property
    def _drops_out(self) -> bool:
        """Return whether long runs stand alone, as those of a loose contact do.

        A sensor at rest has runs of every length, and most of them are short.
        """
        long = self.runs.between(LONG, self.rows + 1)
        return self.runs.quantile(0.5) <= 2 and long > self.runs.between(4, LONG)

    @property
    def frozen(self) -> tuple[Run, ...]:
        """The stretches in which the channel is frozen."""
        return self.runs.of_at_least(self.frozen_from)

    @property
    def frozen_rows(self) -> int:
        """Rows in those stretches."""
        return self.runs.rows_in(self.frozen_from)


class Statistics:
    """The statistics of a recording.

    Attributes:
        channels: those of each channel.
        rows: runs of rows that are identical in all channels.
    """

    def __init__(self, samples: Samples) -> None:
        """Read all samples, of shape (n, channels), n >= 1."""
        width = samples[:1].shape[1]
        self.channels = tuple(ChannelStatistics() for _ in range(width))
        self.rows = Runs()
        for block in pieces(samples, overlap=1):
            self._add(block)
        for each in self.channels:
            each.runs.finish()
        self.rows.finish()

    def _add(self, block: Float32) -> None:
        """Add rows; the first is the last of the block before."""
        changed = (block[1:] != block[:-1]).any(axis=1)
        if self.channels[0].rows:
            self.rows.add(changed)
            block = block[1:]
        else:
            self.rows.add(np.concatenate(([False], changed)))
        for column, channel in zip(block.T, self.channels, strict=True):
            channel.add(np.ascontiguousarray(column))

    @property
    def longest_usual_run(self) -> int:
        """Identical rows of a sensor that is not frozen."""
        limit = min(channel.frozen_from for channel in self.channels)
        return self.rows.longest_below(limit)
