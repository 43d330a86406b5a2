"""Segments of a recording between gaps, from the times of its rows.

A row has the time at which it was taken or a later one: a busy reader is late
and catches up, but lost rows shift all later times permanently. In the lateness
r[i] = t[i] - i × period, late rows are therefore short peaks, and a gap is a
step of the floor, the smallest r of the rows ahead.

The median step is not the period: 800 Hz in whole milliseconds steps by 1, 1,
1, 2. A median over a longer lag removes the rounding, but not the gaps.
Therefore each lag proposes a period, and the one with the fewest gaps and the
flattest floor between them is used.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.recordings.spool import Times

Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

_AHEAD = 64  # rows within which a late reader catches up
_STEP = 0.75  # of a period: a lost row is 1, a delay of a busy timer up to 0.7
_LAGS = (1, 4, 16, 64, 256, 1024, 4096)
_PROPOSE = 16_384  # rows from which the period is chosen
_LONGEST = 65_536  # rows after which a new line is fitted, because clocks drift
_PIECE = 1 << 17  # rows at a time, so that memory does not grow with their number
_OWN_RATE = 1024  # rows from which a segment's own rate is better than the common one


class Segment(NamedTuple):
    """Consecutive rows without a gap."""

    first: int
    """Its first row in the recording."""
    start_ns: int
    """Time of that row on a line through the times of the segment."""
    rate_hz: float
    missed: int
    """Rows lost between the previous segment and this one."""


def segments(t_ns: Times) -> tuple[Segment, ...]:
    """Split rows at the gaps between their times.

    Args:
        t_ns: (n,), n >= 2, never falling, the last less than 2^63 after the first.

    Raises:
        ValueError: the times do not advance.
    """
    ahead = _AHEAD * round(len(t_ns) / _distinct(t_ns))  # a burst's rows share a time
    head = t_ns[:_PROPOSE]
    mean = float(_one(t_ns, len(t_ns) - 1) - _one(t_ns, 0)) / (len(t_ns) - 1)
    proposals = [_refined(head, period, ahead) for period in _proposals(head, mean)]
    if not proposals:
        raise ValueError("the times do not advance")
    period = min(proposals, key=lambda proposal: _misfit(head, proposal, ahead))
    rows, missed = _gaps(t_ns, period, ahead)
    fresh = np.arange(0, len(t_ns), _LONGEST)
    edges = np.union1d(fresh, rows)
    lost = np.zeros(len(edges), np.int64)
    lost[np.searchsorted(edges, rows)] = missed
    return _fitted(t_ns, edges, lost, period)


def jitter_ns(t_ns: Times, rate_hz: float) -> float:
    """Return how far 95 % of the first steps are from the period, at most.

    >>> jitter_ns(np.array([0, 9, 21, 30]), 1e8)
    2.0
    """
    apart = np.abs(np.diff(t_ns[:_LONGEST]) - 1e9 / rate_hz)
    return float(np.quantile(apart, 0.95, method="higher")) if len(apart) else 0.0


def _one(t_ns: Times, row: int) -> int:
    return int(t_ns[row : row + 1][0])


def _distinct(t_ns: Times) -> int:
    """Return the number of different times."""
    pieces = (t_ns[i : i + _PIECE + 1] for i in range(0, len(t_ns), _PIECE))
    return 1 + sum(int(np.count_nonzero(np.diff(piece))) for piece in pieces)


def _late(t_ns: Times, rows: slice) -> Float64:
    """Return the times of some rows, counted from row 0."""
    late: Float64 = (t_ns[rows] - t_ns[:1]).astype(np.float64)
    return late


def _proposals(head: Int64, mean: float) -> list[float]:
    """Return the median step over each lag, and the mean step."""
    lags = [lag for lag in _LAGS if lag <= len(head) // 2]
    steps = [float(np.median(head[lag:] - head[:-lag])) / lag for lag in lags]
    steps.append(mean)
    return [step for step in steps if step >= 1]


def _floor(r: Float64, ahead: int) -> Float64:
    """Return the smallest of each value and the `ahead` - 1 that follow it."""
    floor, width = r.copy(), 1
    while width < min(ahead, len(r)):
        by = min(width, ahead - width)
        floor[:-by] = np.minimum(floor[:-by], floor[by:])
        width += by
    return floor


def _gaps(t_ns: Times, period: float, ahead: int) -> tuple[Rows, Int64]:
    """Return the rows before which rows are missing, and how many.

    The rows are looked at piece by piece, each with as many rows around it as decide
    about a row, so that the result is that of all rows at once.
    """
    rows, missed, last, latest = [], [], 0, 0.0
    first, piece = 0, max(_PIECE, 4 * ahead)
    while first < len(t_ns):
        # The last piece has all rows whose lateness is not to be believed.
        stop = first + piece if first + piece + ahead < len(t_ns) else len(t_ns)
        low = max(0, first - ahead - 1)
        around = slice(low, stop + ahead)
        late = _late(t_ns, around)
        r = late - np.arange(low, low + len(late)) * period
        floor = _floor(r, ahead)
        behind = _floor(r[::-1], ahead)[::-1]
        latest = max(latest, float(np.max((r - floor)[first - low : stop - low])))
        step = np.full(len(r), _STEP * period)
        if stop == len(t_ns):
            # A late row near the end cannot catch up: require more than its lateness.
            step[-ahead:] += latest
        rises = (floor[1:] > floor[:-1]) & (floor[1:] - behind[:-1] > step[1:])
        for at in (np.flatnonzero(rises) + 1).tolist():
            row = low + at
            if not first <= row < stop:
                continue
            # Check again, without the rows before the previous gap.
            height = floor[at] - r[max(last - low, at - ahead, 0) : at].min()
            if height > step[at]:
                rows.append(row)
                missed.append(max(1, round(height / period)))
                last = row
        first = stop
    return np.array(rows, np.intp), np.array(missed, np.int64)


def _line(late: Float64, edges: Rows) -> tuple[Float64, Float64]:
    """Fit a line to the times of each segment.

    Returns the covariance of row and time and the variance of the row, each
    summed over the segment; their ratio is its period.
    """
    rows = np.arange(len(late), dtype=np.float64)
    counts = np.diff(edges, append=len(late))
    x = rows - np.repeat(np.add.reduceat(rows, edges) / counts, counts)
    y = late - np.repeat(np.add.reduceat(late, edges) / counts, counts)
    return np.add.reduceat(x * y, edges), np.add.reduceat(x * x, edges)


def _common(covariance: Float64, variance: Float64, otherwise: float) -> float:
    """Return the common period of all segments."""
    if covariance.sum() < variance.sum() or variance.sum() == 0:
        return otherwise  # below 1 ns, or a gap between any two rows
    return float(covariance.sum() / variance.sum())


def _refined(head: Int64, period: float, ahead: int) -> float:
    """Return a better period, from the slope of the times between gaps."""
    for _ in range(2):
        rows, _missed = _gaps(head, period, ahead)
        edges = np.concatenate(([0], rows)).astype(np.intp)
        line = _line(_late(head, slice(None)), edges)
        period = _common(*line, otherwise=period)
    return period


def _misfit(head: Int64, period: float, ahead: int) -> float:
    """Return how badly a period fits: gaps, and movements of the floor."""
    rows, missed = _gaps(head, period, ahead)
    lost = np.zeros(len(head))
    lost[rows] = missed
    r = _late(head, slice(None)) - (np.arange(len(head)) + np.cumsum(lost)) * period
    moved = float(np.abs(np.diff(_floor(r, ahead))).sum())
    return len(rows) + moved / period


def _fitted(
    t_ns: Times, edges: Rows, lost: Int64, otherwise: float
) -> tuple[Segment, ...]:
    """Return the segments with start and rate."""
    counts = np.diff(edges, append=len(t_ns))
    covariance, variance, mean = (np.empty(len(edges)) for _ in range(3))
    begun_ns = np.empty(len(edges), np.int64)
    begin = 0
    while begin < len(edges):
        first = int(edges[begin])
        end = max(begin + 1, int(np.searchsorted(edges, first + _PIECE)))
        some = slice(begin, end)
        stop = int(edges[end - 1] + counts[end - 1])
        # Relative to the segment's first time, a float64 resolves 1 ns.
        times = t_ns[first:stop]
        begun_ns[some] = times[edges[some] - first]
        late = (times - np.repeat(begun_ns[some], counts[some])).astype(np.float64)
        covariance[some], variance[some] = _line(late, edges[some] - first)
        mean[some] = np.add.reduceat(late, edges[some] - first) / counts[some]
        begin = end
    own = (counts >= _OWN_RATE) & (covariance > 0)
    period = np.full(len(edges), _common(covariance, variance, otherwise))
    np.divide(covariance, variance, out=period, where=own)
    ahead = mean - period * (counts - 1) / 2
    start_ns = begun_ns + np.round(ahead).astype(np.int64)
    return tuple(
        map(
            Segment,
            edges.tolist(),
            start_ns.tolist(),
            (1e9 / period).tolist(),
            lost.tolist(),
        )
    )
