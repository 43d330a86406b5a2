"""When the FIFO of an accelerometer is read.

Seldom costs delay: a row waits for those that come after it. Often costs the bus,
as each read has addresses and a status of its own, and wakes the computer up.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from msgspec import Meta

GOLDEN = (3 - math.sqrt(5)) / 2
"""The fraction whose multiples are spread most evenly over 0 to 1."""
USUAL_S = 0.05
"""So long a row waits, at most, unless `fifo_rows` says otherwise."""


def fitting(depth: int) -> Meta:
    """Return what `fifo_rows` may be with a FIFO of `depth` rows.

    A quarter stays free: what comes while a read is late must find room.

    >>> fitting(32).ge, fitting(32).le
    (1, 24)
    """
    return Meta(ge=1, le=depth * 3 // 4)


class FifoSchedule(NamedTuple):
    """When the FIFO of one sensor is read."""

    rate_hz: float
    fifo_rows: int | None
    """At how many rows, if somebody chose; see `fitting`."""
    depth: int
    """How many rows it holds."""
    usual: int
    """At how many rows, if nobody chose; or at what comes in USUAL_S."""

    @property
    def rows(self) -> int:
        """At how many rows it is read on schedule.

        >>> [Drain(rate, None, depth=32, usual=14).rows for rate in (800, 25)]
        [14, 1]
        >>> Drain(25, 16, depth=32, usual=14).rows
        16
        """
        return self.fifo_rows or max(
            1, math.floor(min(self.usual, USUAL_S * self.rate_hz))
        )

    @property
    def watermark(self) -> int:
        """How many rows let the interrupt line rise: `fifo_rows`, or 2/3 of `rows`.

        >>> [Drain(rate, None, depth=32, usual=14).watermark for rate in (800, 25)]
        [9, 1]
        >>> Drain(25, 16, depth=32, usual=14).watermark
        16
        """
        return self.fifo_rows or max(1, self.rows * 2 // 3)

    def period_s(self, *, woken: bool = False) -> float:
        """Return how often to read it: about every `rows`.

        The fraction of a row makes the reads come at all phases of the sampling,
        from which `SampleClock` learns most: were it a whole number of rows, each
        read would tell the same. Where an interrupt line says when (`woken`), the
        schedule is but a net under it: half as long again as its watermark, but no
        more than a quarter of the way from there to the end of the FIFO.

        >>> usual = [Drain(rate, None, depth=32, usual=14) for rate in (800, 25)]
        >>> [round(drain.period_s() * 1000, 1) for drain in usual]
        [17.0, 24.7]
        >>> [round(drain.period_s(woken=True) * 1000, 1) for drain in usual]
        [17.0, 64.7]
        >>> round(Drain(800, 24, depth=32, usual=14).period_s(woken=True) * 800, 2)
        25.62
        """
        at = self.rows
        if woken:
            mark = self.watermark
            at = min(mark * 3 // 2 + 1, mark + (self.depth - mark) // 4)
        return (at - GOLDEN) / self.rate_hz
