"""The schedule of an accelerometer's FIFO: how many rows gather before a read.

Few reads cost delay, because a row waits for those that come after it. Many reads
cost the bus, because each has addresses and a status of its own, and they wake the
computer up.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec import Meta

GOLDEN = (3 - math.sqrt(5)) / 2
"""The fraction whose multiples are spread most evenly over 0 to 1."""
USUAL_S = 0.05
"""The longest that a row waits, unless `fifo_rows` is set."""


def fitting(depth: int) -> Meta:
    """Return the limits of `fifo_rows` for a FIFO of `depth` rows.

    A quarter stays free for the rows that come while a read is late.

    >>> fitting(32).ge, fitting(32).le
    (1, 24)
    """
    return Meta(ge=1, le=depth * 3 // 4)


class FifoSchedule(NamedTuple):
    """The schedule of one sensor's FIFO."""

    rate_hz: float
    fifo_rows: int | None
    """At how many rows it is read, if that is configured; see `fitting`."""
    depth: int
    """The rows that it holds."""
    usual: int
    """At how many rows it is read otherwise, if they come within USUAL_S."""

    @property
    def rows(self) -> int:
        """The number of rows at which it is read on schedule.

        >>> [FifoSchedule(rate, None, depth=32, usual=14).rows for rate in (800, 25)]
        [14, 1]
        >>> FifoSchedule(25, 16, depth=32, usual=14).rows
        16
        """
        return self.fifo_rows or max(
            1, math.floor(min(self.usual, USUAL_S * self.rate_hz))
        )

    @property
    def watermark(self) -> int:
        """The number of rows at which the interrupt line rises.

        It is `fifo_rows`, or 2/3 of `rows`.

        >>> schedules = [FifoSchedule(hz, None, depth=32, usual=14) for hz in (800, 25)]
        >>> [schedule.watermark for schedule in schedules]
        [9, 1]
        >>> FifoSchedule(25, 16, depth=32, usual=14).watermark
        16
        """
        return self.fifo_rows or max(1, self.rows * 2 // 3)

    def period_s(self, *, woken: bool = False) -> float:
        """Return the time between two reads, about that of `rows`.

        The fraction of a row spreads the reads over all phases of the sampling, from
        which `SampleClock` learns most. Where an interrupt line starts the reads
        (`woken`), the schedule only catches those that it misses: half as long again
        as its watermark, but no more than a quarter of the way from there to the end
        of the FIFO.

        >>> schedules = [FifoSchedule(hz, None, depth=32, usual=14) for hz in (800, 25)]
        >>> [round(schedule.period_s() * 1000, 1) for schedule in schedules]
        [17.0, 24.7]
        >>> [round(schedule.period_s(woken=True) * 1000, 1) for schedule in schedules]
        [17.0, 64.7]
        >>> late = FifoSchedule(800, 24, depth=32, usual=14)
        >>> round(late.period_s(woken=True) * 800, 2)
        25.62
        """
        at = self.rows
        if woken:
            mark = self.watermark
            at = min(mark * 3 // 2 + 1, mark + (self.depth - mark) // 4)
        return (at - GOLDEN) / self.rate_hz
