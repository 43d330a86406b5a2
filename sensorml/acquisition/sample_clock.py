"""The times of a sensor's samples, from the count in its FIFO.

A sensor samples by an oscillator of its own, 1 to 4 % off its nominal rate and
wandering with temperature. The time at which a block is read is a poor measure of when
its rows were taken; the count of rows by then is a good one. Two facts are used:

- **The rate** is the slope of the count over time, by least squares with
  forgetting. A count is whole, so the newest row is 0 to 1 period old, and a
  status read that took d leaves open when within d the count was taken: the
  variance is (period² + d²) / 12, which is how little a slow read weighs.
- **The phase** is a line that runs on at that rate, and an interval around it
  that holds the truth. A status read gives hard bounds: the newest row was
  taken before the read ended, and less than a period before it began; one that
  found nothing, that the next row was still to come. Each read cuts the
  interval, time widens it by what the rate is uncertain of, and the line moves
  to its middle. Reads come at all phases of the sampling, so they pin the line
  down to about the duration of the quickest. A slow read has wide bounds and
  cuts nothing: no rule for outliers is needed.

An **edge** of the sensor's interrupt line gives the time at which the count reached
a number: never too early, and late by some µs or ms on a busy computer. So the truth
is just before the earliest of many, and the nearer the less they scatter.
Where a period is long an edge also weighs more for the rate than a count does.

The line moves by at most SLEW of a period a block, so times never jump and
never repeat. One that falls behind by ever more has a rate that is out of date, and
the counts that gave it are forgotten faster, so that the clock follows any drift of
the oscillator.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MEMORY_S = 30.0
"""The memory of the rate. Long enough for some ppm from whole counts,
short enough to follow an oscillator that warms up."""
SLEW = 0.25
"""The largest correction of a block's start, in periods."""
TOLERANCE = 0.02
"""Standard deviation of a new sensor's rate around its nominal one."""
WANDER = 30e-6
"""The error of a known rate for a while, as a share: an oscillator warms up."""
DISTRUST = 0.75
"""The weight that is left to the counts when they turn out to be of another rate."""
PROMPT_NS = 40_000
"""The earliest of many edges is late by no more than this, or than half of what
they are on average."""
EDGE_SPREAD_NS = 500_000
"""Standard deviation of an edge's delay on a busy computer."""
EDGE_MEMORY_S = 5.0
"""Edges count for so long after the last one."""
LATEST_NS = 5_000_000
"""An edge that is later than this is ignored."""
FOLLOW = 1 / 256
"""Share of an edge's delay that the earliest one is taken to be late itself, so
that one wrong edge is forgotten after some hundred right ones."""

_COUNT_VARIANCE = 1 / 12
_PRIOR = _COUNT_VARIANCE / TOLERANCE**2
"""Weight of the nominal period against counts."""


class Edge(NamedTuple):
    """The interrupt line rose: `rows` of the block were there by `at_ns`."""

    rows: int
    at_ns: int


class Stamp(NamedTuple):
    """The times of one block; the fields are those of `types.Block`."""

    start_ns: int
    rate_hz: float
    missed: int
    jitter_ns: int


class SampleClock:
    """The clock of one sensor, from its start on."""

    def __init__(self, nominal_hz: float) -> None:
        self._nominal_ns = self._period_ns = 1e9 / nominal_hz
        self._count = 0  # rows since the last gap
        self._next_ns: float | None = None  # when the next row will be taken
        self._empty_ns = -math.inf  # it had not been taken yet
        # Where the truth lies, relative to the line:
        self._low_ns = -math.inf
        self._high_ns = math.inf
        # The same by edges: the earliest, how late others are, when the last was.
        self._earliest_ns = math.inf
        self._late_ns = 0.0
        self._edge_ns = -math.inf
        # The regression, times and counts relative to their origin at a gap:
        self._origin_ns = 0
        self._seen_ns = 0.0
        self._weight = 0.0
        self._mean_count = 0.0
        self._mean_ns = 0.0
        self._count_count = 0.0
        self._count_ns = 0.0
        self._rest_ns = 0.0  # by how much more the line should have moved

    def empty(self, began_ns: int) -> None:
        """Note that a status read that began then announced no rows."""
        self._empty_ns = began_ns

    def stamp(
        self,
        rows: int,
        began_ns: int,
        ended_ns: int,
        *,
        lost: bool = False,
        edge: Edge | None = None,
    ) -> Stamp:
        """Return the times of the rows of one read.

        Args:
            rows: How many rows the status read announced, n >= 1; the block
                holds all of them.
            began_ns: Monotonic time before the status read.
            ended_ns: Monotonic time after it.
            lost: Rows may be missing before these: the FIFO was full or cleared.
            edge: The edge of the interrupt line since the last read, if any.
        """
        if lost:
            # The count is broken, but the rate is still valid: the next
            # reads regress around a new mean, into the same sums.
            self._count = 0
            self._weight = 0.0
            self._empty_ns = -math.inf
        if edge is not None:
            # Its time of the newest row must agree with that of the read: a disturbed
            # line rises too early, and a late call of ours is ignored.
            newest = edge.at_ns + (rows - edge.rows) * self._period_ns
            fits = began_ns - self._period_ns < newest < ended_ns + LATEST_NS
            if lost or edge.rows > rows or not fits:
                edge = None
        self._learn(rows, began_ns, ended_ns, edge)
        period = self._period_ns
        # The bounds of this read for the newest row:
        low = max(began_ns - period, self._empty_ns + (rows - 1) * period)
        high = float(ended_ns)
        self._empty_ns = -math.inf
        missed = 0
        if self._next_ns is None:
            newest = expected = (low + high) / 2
        else:
            newest = self._next_ns + (rows - 1) * period
            if lost:
                missed = max(0, round(((low + high) / 2 - newest) / period))
                newest += missed * period
            expected = newest
        self._widen(rows + missed)
        if edge is not None:
            self._meet(edge.at_ns + (rows - edge.rows) * period - newest)
            self._edge_ns = edge.at_ns
        self._cut(low - newest, high - newest)
        move = self._middle(began_ns)
        if not missed:
            self._distrust(move)
            move = min(max(move, -SLEW * period), SLEW * period)
        newest += move
        self._low_ns -= move
        self._high_ns -= move
        self._earliest_ns -= move
        self._next_ns = newest + period
        start = newest - (rows - 1) * period
        return Stamp(round(start), 1e9 / period, missed, round(newest - expected))

    def _distrust(self, move_ns: float) -> None:
        """Forget some of what was counted, if the line runs away from the truth.

        A line that is off by more than it may move, and by ever more, has the wrong
        rate: the oscillator has changed faster than the counts are forgotten.
        """
        rest_ns = math.copysign(
            max(0.0, abs(move_ns) - SLEW * self._period_ns), move_ns
        )
        if abs(rest_ns) > abs(self._rest_ns) and rest_ns * self._rest_ns > 0:
            self._weight *= DISTRUST
            self._count_count *= DISTRUST
            self._count_ns *= DISTRUST
        self._rest_ns = rest_ns

    def _widen(self, rows: int) -> None:
        """Let the interval grow by what the rate was uncertain of for `rows`."""
        deviation = math.sqrt(_COUNT_VARIANCE / (self._count_count + _PRIOR))
        grown_ns = rows * (3 * deviation + WANDER) * self._period_ns
        self._low_ns -= grown_ns
        self._high_ns += grown_ns
        self._earliest_ns += grown_ns

    def _meet(self, edge_ns: float) -> None:
        """Take an edge into account, given relative to the line."""
        if self._earliest_ns == math.inf:
            self._earliest_ns = edge_ns
        late_ns = max(0.0, edge_ns - self._earliest_ns)
        self._late_ns += (late_ns - self._late_ns) * FOLLOW
        self._earliest_ns = min(self._earliest_ns + late_ns * FOLLOW, edge_ns)

    def _cut(self, low_ns: float, high_ns: float) -> None:
        """Keep of the interval what a read leaves of it, at least a point.

        Of two that contradict each other the read is right, where it is nearest
        to the interval.
        """
        self._low_ns = min(max(self._low_ns, low_ns), high_ns)
        self._high_ns = max(min(self._high_ns, high_ns), low_ns)
        self._earliest_ns = max(self._earliest_ns, self._low_ns)

    def _middle(self, now_ns: int) -> float:
        """Return where in the interval the line belongs."""
        low_ns, high_ns = self._low_ns, self._high_ns
        if now_ns - self._edge_ns < EDGE_MEMORY_S * 1e9:
            high_ns = min(high_ns, self._earliest_ns)
            prompt_ns = max(PROMPT_NS, self._late_ns / 2)
            low_ns = min(max(low_ns, self._earliest_ns - prompt_ns), high_ns)
        return (low_ns + high_ns) / 2

    def _learn(
        self, rows: int, began_ns: int, ended_ns: int, edge: Edge | None
    ) -> None:
        """Take the count, or the edge if it is more exact, into the regression."""
        count = self._count + rows
        at_ns = (began_ns + ended_ns) / 2
        took = (ended_ns - began_ns) / self._nominal_ns
        weight = 1 / (1 + took * took)
        if edge is not None:
            edge_weight = _COUNT_VARIANCE * (self._nominal_ns / EDGE_SPREAD_NS) ** 2
            if edge_weight > weight:
                # A row that was counted is half a period old on average.
                weight = edge_weight
                count += edge.rows - rows
                at_ns = edge.at_ns + self._period_ns / 2
        self._count += rows
        if self._weight == 0.0:
            self._origin_ns, self._seen_ns = began_ns, at_ns
            self._mean_count = self._mean_ns = 0.0
        fade = math.exp(min(0.0, self._seen_ns - at_ns) / (MEMORY_S * 1e9))
        self._seen_ns = at_ns
        self._weight = self._weight * fade + weight
        share = weight / self._weight
        off_count = count - self._mean_count
        off_ns = at_ns - self._origin_ns - self._mean_ns
        self._mean_count += share * off_count
        self._mean_ns += share * off_ns
        rest = weight * (count - self._mean_count)
        self._count_count = self._count_count * fade + rest * off_count
        self._count_ns = self._count_ns * fade + rest * off_ns
        self._period_ns = (self._count_ns + _PRIOR * self._nominal_ns) / (
            self._count_count + _PRIOR
        )
