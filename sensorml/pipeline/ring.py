"""Overlapping windows of the samples of one sensor, cut without a copy.

Windows are counted in real samples: every `hop` rows, the last `window` rows. Their
times come from the blocks. Rows that are missing make a window longer in time, and
its quality lower.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.types import Block, Float32


class Windows(NamedTuple):
    """All windows that one block completed, oldest first; n >= 1."""

    data: Float32
    """Shape (n, channels, window), a view: good until the next push."""
    first: int
    """Number of the first of these windows since the ring began, from 0."""
    start_ns: tuple[int, ...]
    """The time of the first row of each."""
    end_ns: tuple[int, ...]
    """The time of the last row of each."""
    quality: tuple[float, ...]
    """Of each: rows that are there / rows that the sensor took in that time."""
    whole: tuple[bool, ...]
    """Of each: True if every row of that time is there or bridged."""
    clipped: tuple[float, ...]
    """Share of each window's rows that are at full scale."""
    frozen: tuple[bool, ...]
    """Of each: whether it has, or ends, a run of `frozen_rows` identical rows."""


_Span: TypeAlias = tuple[int, int, float]
"""(first, start_ns, period_ns): row i was taken at start + (i - first) * period."""


class Ring:
    """The rows of one sensor that coming windows need. Pure: no clock, no I/O.

    Rows lie channel by channel, so that a window's time axis is contiguous.
    The buffer is longer than a window; when its end is reached, the rows still
    needed move to its front, once in many pushes.
    """

    def __init__(
        self, *, channels: int, window: int, hop: int, frozen_rows: int = 0
    ) -> None:
        if not 1 <= hop <= window:
            raise ValueError(f"hop must be between 1 and window={window}, not {hop}")
        self.window = window
        self.hop = hop
        self.frozen_rows = frozen_rows
        self._rows = np.empty((channels, 4 * window), np.float32)
        self._origin = 0  # number of the row in column 0
        self._count = 0  # rows pushed so far
        self._next = 0  # first row of the next window
        self._windows = 0  # windows returned so far
        self._spans: list[_Span] = []
        self._gaps: list[tuple[int, int]] = []  # (row after the gap, rows missed)
        self._bridges: list[tuple[int, int]] = []  # (first bridged row, end)
        self._clipped: list[int] = []
        self._still: tuple[list[float], int] = ([], 0)

    def push(self, block: Block) -> Windows | None:
        """Add a block; return the windows that it completes, or None."""
        self._append(block)
        ready = (self._count - self._next - self.window) // self.hop + 1
        if ready < 1:
            return None
        windows = self._cut(ready)
        self._next += ready * self.hop
        self._windows += ready
        self._forget()
        return windows

    def _append(self, block: Block) -> None:
        samples = block.samples
        rows = len(samples)
        at = self._room_for(rows)
        self._rows[:, at : at + rows] = samples.T
        first = self._count
        self._count = first + rows
        self._spans.append((first, block.start_ns, 1e9 / block.rate_hz))
        if block.missed:
            self._gaps.append((first, block.missed))
        if block.bridged:
            self._bridges.append((first, first + block.bridged))
        if len(block.clipped):
            self._clipped += (block.clipped + first).tolist()

    def _room_for(self, rows: int) -> int:
        """Return the column for the next row, with space for `rows` behind it."""
        at = self._count - self._origin
        if at + rows > self._rows.shape[1]:
            needed = self._rows[:, self._next - self._origin : at]
            at = needed.shape[1]
            if at + rows > self._rows.shape[1]:
                grown = np.empty((len(self._rows), 2 * (at + rows)), np.float32)
                grown[:, :at] = needed
                self._rows = grown
            else:
                self._rows[:, :at] = needed
            self._origin = self._next
        return at

    def _cut(self, n: int) -> Windows:
        rows, width, hop = self._rows, self.window, self.hop
        column, item = self._next - self._origin, rows.itemsize
        data = np.ndarray(
            (n, len(rows), width),
            np.float32,
            rows,
            column * item,
            (hop * item, rows.strides[0], item),
        )
        data.flags.writeable = False
        firsts = range(self._next, self._next + n * hop, hop)
        return Windows(
            data,
            self._windows,
            tuple([self._time_ns(a) for a in firsts]),
            tuple([self._time_ns(a + width - 1) for a in firsts]),
            # Most windows have no gap and no clipping: nothing is counted then.
            tuple([self._quality(a) for a in firsts])
            if self._gaps or self._bridges
            else (1.0,) * n,
            tuple([not self._missed(a) for a in firsts]) if self._gaps else (True,) * n,
            tuple([self._clipped_share(a) for a in firsts])
            if self._clipped
            else (0.0,) * n,
            self._frozen(data),
        )

    def _frozen(self, data: Float32) -> tuple[bool, ...]:
        if self.frozen_rows <= self.window:
            return frozen(data, self.frozen_rows)
        still = frozen(data, self.window)
        return tuple(map(self._is_still_for_long, data[:, :, 0].tolist(), still))

    def _is_still_for_long(self, row: list[float], still: bool) -> bool:
        """Return whether windows of one row, this one the last, are frozen together."""
        before, rows = self._still
        if not still:
            rows = 0
        elif rows and row == before:
            rows += self.hop
        else:
            rows = self.window
        self._still = (row, rows)
        return rows >= self.frozen_rows

    def _time_ns(self, row: int) -> int:
        spans = self._spans
        i = len(spans) - 1
        if spans[i][0] > row:
            # Equal numbers compare by the later fields: (row + 1,) finds the
            # span before the first that begins after the row.
            i = bisect_left(spans, (row + 1,)) - 1
        first, start_ns, period_ns = spans[i]
        return start_ns + round((row - first) * period_ns)

    def _quality(self, first: int) -> float:
        last = first + self.window
        bridged = sum(
            max(0, min(end, last) - max(begin, first)) for begin, end in self._bridges
        )
        return (self.window - bridged) / (self.window + self._missed(first))

    def _missed(self, first: int) -> int:
        last = first + self.window
        return sum(lost for row, lost in self._gaps if first < row < last)

    def _clipped_share(self, first: int) -> float:
        a = bisect_left(self._clipped, first)
        b = bisect_left(self._clipped, first + self.window)
        return (b - a) / self.window

    def _forget(self) -> None:
        """Drop the times, gaps and clipped rows that no coming window reaches."""
        first = self._next
        spans = self._spans
        if len(spans) > 1 and spans[1][0] <= first:
            del spans[: bisect_left(spans, (first + 1,)) - 1]
        if self._gaps:
            self._gaps = [gap for gap in self._gaps if gap[0] > first]
        if self._bridges:
            self._bridges = [bridge for bridge in self._bridges if bridge[1] > first]
        if self._clipped:
            del self._clipped[: bisect_left(self._clipped, first)]


def frozen(windows: Float32, least: int) -> tuple[bool, ...]:
    """Return which of the windows (n, channels, window) have a run of `least` rows.

    The rows of a run are identical. A run of that length shows at least twice among
    every (least / 2)th row, so all rows are compared only where it does.
    """
    n, channels = len(windows), windows.shape[1]
    if least < 2:
        return (False,) * n
    probes = windows[:, :, :: least // 2]
    repeats: NDArray[np.bool_] = probes[:, 0, 1:] == probes[:, 0, :-1]
    for channel in range(1, channels):
        if not np.count_nonzero(repeats):
            return (False,) * n
        repeats &= probes[:, channel, 1:] == probes[:, channel, :-1]
    suspects = np.logical_or.reduce(repeats, axis=1)
    return tuple(
        bool(suspects[i]) and longest_run(windows[i]) >= least for i in range(n)
    )


def longest_run(rows: Float32) -> int:
    """Return the length of the longest run of identical rows, of (channels, n).

    >>> longest_run(np.array([[1.0, 2.0, 2.0, 2.0, 1.0]], np.float32))
    3
    """
    changed = np.flatnonzero((rows[:, 1:] != rows[:, :-1]).any(axis=0)) + 1
    return int(np.diff(changed, prepend=0, append=rows.shape[1]).max())
