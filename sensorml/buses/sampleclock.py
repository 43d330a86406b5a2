"""When a sensor took its samples: the count in its FIFO is the clock.

A sensor samples by an oscillator of its own, 1 to 4 % off its nominal rate and
wandering with temperature. When a block is read says little about when its
rows were taken; how many there are by then says a lot. Two facts are used:

- **The rate** is the slope of the count over time, by least squares with
  forgetting. A count is whole, so the newest row is 0 to 1 period old, and a
  status read that took d leaves open when within d the count was taken: the
  variance is (period² + d²) / 12, which is how little a slow read weighs.
- **The phase** is a line that runs on at that rate. A status read gives hard
  bounds: the newest row was taken before the read ended, and less than a period
  before it began. A line within the bounds is as good as the read, so it is
  left alone; outside them it is moved to the nearer one. Reads come at all
  phases of the sampling, so the bounds of many of them pin the line down to
  about the duration of the quickest. A slow read has wide bounds and moves
  nothing: no rule for outliers is needed.

The line moves by at most SLEW of a period a block, so times never jump and
never repeat.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MEMORY_S = 30.0
"""How long the rate remembers. Long enough for some ppm from whole counts,
short enough to follow an oscillator that warms up."""
SLEW = 0.25
"""The largest correction of a block's start, in periods."""
TOLERANCE = 0.02
"""Standard deviation of a new sensor's rate around its nominal one."""

_PRIOR = (1 / 12) / TOLERANCE**2
"""Weight of the nominal period against counts of variance 1/12."""


class Stamp(NamedTuple):
    """The times of one block; the fields are those of `types.Block`."""

    start_ns: int
    rate_hz: float
    missed: int


class SampleClock:
    """The clock of one sensor, from its start on."""

    def __init__(self, nominal_hz: float) -> None:
        self._nominal_ns = self._period_ns = 1e9 / nominal_hz
        self._count = 0  # rows since the last gap
        self._next_ns: float | None = None  # when the next row will be taken
        # The regression, times and counts relative to their origin at a gap:
        self._origin_ns = 0
        self._seen_ns = 0
        self._weight = 0.0
        self._mean_count = 0.0
        self._mean_ns = 0.0
        self._count_count = 0.0
        self._count_ns = 0.0

    def stamp(
        self, rows: int, began_ns: int, ended_ns: int, *, lost: bool = False
    ) -> Stamp:
        """Give the rows of one read their times.

        Args:
            rows: How many rows the status read announced, n >= 1; the block
                holds all of them.
            began_ns: Monotonic time before the status read.
            ended_ns: Monotonic time after it.
            lost: Rows may be missing before these: the FIFO was full or cleared.
        """
        if lost:
            # The count is broken, what the rate has learned is not: the next
            # reads regress around a new mean, into the same sums.
            self._count = 0
            self._weight = 0.0
        self._count += rows
        self._learn(began_ns, ended_ns)
        period = self._period_ns
        earliest, latest = began_ns - period, float(ended_ns)
        missed = 0
        if self._next_ns is None:
            newest = (earliest + latest) / 2
        else:
            newest = self._next_ns + (rows - 1) * period
            if lost:
                behind = (earliest + latest) / 2 - newest
                missed = max(0, round(behind / period))
                newest += missed * period
            error = min(max(newest, earliest), latest) - newest
            if not missed:
                error = min(max(error, -SLEW * period), SLEW * period)
            newest += error
        start = newest - (rows - 1) * period
        self._next_ns = newest + period
        return Stamp(round(start), 1e9 / period, missed)

    def _learn(self, began_ns: int, ended_ns: int) -> None:
        """Take one count into the regression of time on count."""
        if self._weight == 0.0:
            self._origin_ns = self._seen_ns = began_ns
            self._mean_count = self._mean_ns = 0.0
        fade = math.exp((self._seen_ns - began_ns) / (MEMORY_S * 1e9))
        self._seen_ns = began_ns
        took = (ended_ns - began_ns) / self._nominal_ns
        weight = 1 / (1 + took * took)
        self._weight = self._weight * fade + weight
        share = weight / self._weight
        middle_ns = (began_ns + ended_ns) / 2 - self._origin_ns
        off_count = self._count - self._mean_count
        off_ns = middle_ns - self._mean_ns
        self._mean_count += share * off_count
        self._mean_ns += share * off_ns
        rest = weight * (self._count - self._mean_count)
        self._count_count = self._count_count * fade + rest * off_count
        self._count_ns = self._count_ns * fade + rest * off_ns
        self._period_ns = (self._count_ns + _PRIOR * self._nominal_ns) / (
            self._count_count + _PRIOR
        )
