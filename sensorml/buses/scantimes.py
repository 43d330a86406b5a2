"""When the kernel took its scans, by the time that each of them carries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from sensorml.buses.iiobuffer import Int64

MEMORY_NS: Final = 30_000_000_000
"""How far back the rate is measured."""
LEAST_SCANS: Final = 64
"""Before so many the rate is the nominal one: single times come from interrupts,
which are late by some µs to ms."""
_GAP: Final = 1.5  # periods


class Stretch(NamedTuple):
    """Scans without a gap between them: `first` to `last` - 1 of a read."""

    first: int
    last: int
    start_ns: int
    rate_hz: float
    missed: int
    jitter_ns: int
    """As of a `types.Block`."""


class ScanTimes:
    """The clock of a device whose scans carry their times, from its start on."""

    def __init__(self, nominal_hz: float) -> None:
        self._period_ns = 1e9 / nominal_hz
        self._count = 0
        self._last_ns: int | None = None
        self._next_ns: float | None = None  # expected of the scan after the last
        self._seen: deque[tuple[int, int]] = deque()  # (scans, time of the last)

    def stretches(self, t_ns: Int64) -> Iterator[Stretch]:
        """Split the scans of a read at gaps, and give each stretch its time.

        Args:
            t_ns: (n,), n >= 1, when each was taken.
        """
        before = t_ns[0] if self._last_ns is None else self._last_ns
        steps = np.diff(t_ns, prepend=before)
        gaps = np.flatnonzero(steps > _GAP * self._period_ns)
        edges = sorted({0, *gaps.tolist(), len(t_ns)})
        for first, last in pairwise(edges):
            missed = 0
            if first in gaps:
                missed = max(1, round(int(steps[first]) / self._period_ns) - 1)
                self._seen.clear()
                self._next_ns = None
            yield self._stretch(t_ns[first:last], first, missed)
        self._last_ns = int(t_ns[-1])

    def _stretch(self, t_ns: Int64, first: int, missed: int) -> Stretch:
        rows = len(t_ns)
        self._learn(rows, int(t_ns[-1]), int(t_ns[0]))
        # The mean of what each time says about the first: they scatter.
        since = t_ns - t_ns[0] - np.arange(rows) * self._period_ns
        start_ns = int(t_ns[0]) + round(float(since.mean()))
        moved = 0.0 if self._next_ns is None else start_ns - self._next_ns
        self._next_ns = start_ns + rows * self._period_ns
        rate_hz = 1e9 / self._period_ns
        return Stretch(first, first + rows, start_ns, rate_hz, missed, round(moved))

    def _learn(self, rows: int, last_ns: int, first_ns: int) -> None:
        """Measure the period from the oldest scan that is remembered to the last."""
        if not self._seen:
            self._seen.append((self._count + 1, first_ns))
        self._count += rows
        self._seen.append((self._count, last_ns))
        while last_ns - self._seen[0][1] > MEMORY_NS and len(self._seen) > 2:
            self._seen.popleft()
        count, begun_ns = self._seen[0]
        if self._count - count >= LEAST_SCANS and last_ns > begun_ns:
            self._period_ns = (last_ns - begun_ns) / (self._count - count)
