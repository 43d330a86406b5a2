"""The clock of rows that arrive from a network or another program.

The rows were taken evenly and arrive late by a time that varies. So their times are
a line at the expected rate. No row was taken after it arrived: where the line is
ahead of the arrivals it falls back quickly, and it follows late ones slowly. Rows
that are late by whole periods follow a gap. If the missing rows arrive later, they
were only delayed: the line is then ahead by as many periods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from sensorml.types import Block

LATE: Final = 0.05
"""Periods per row by which the line follows late arrivals: a rate error of so much is
followed, a larger one looks like gaps."""
EARLY: Final = 0.25
"""Periods per read by which the line falls back when it is ahead."""
_MOST: Final = 0.5  # periods a read, however many rows
_ROUND: Final = 0.3  # of a period, that a row after a gap may seem early
_AHEAD: Final = 8
"""Periods by which the line may be ahead: more rows than `rate_hz` come."""


class ArrivalClock:
    """Makes the Blocks of one source, from its start to its stop."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = 1e9 / rate_hz
        self._last_ns: float | None = None

    def block(
        self, rows: Sequence[Sequence[float]], newest_ns: int, now_ns: int
    ) -> Block:
        """Return the rows as a Block.

        The rate differs from the expected one only when the rows come too fast
        for it.

        Args:
            rows: (n, channels), n >= 1, oldest first, all that have come.
            newest_ns: when the last of them came, or was taken if that is known.
            now_ns: the time of the call.
        """
        count, period = len(rows), self._period_ns
        missed = 0
        if self._last_ns is None:
            newest = float(newest_ns)
        else:
            newest = self._last_ns + count * period
            late = (newest_ns - newest) / period
            missed = max(0, math.floor(late + _ROUND))
            follow = min(late - missed, LATE * count, _MOST)
            newest += (missed + max(follow, -EARLY)) * period
            if newest > newest_ns + _AHEAD * period:
                newest = max(newest_ns, self._last_ns + count)
                period = (newest - self._last_ns) / count
        self._last_ns = newest
        return Block(
            samples=np.array(rows, np.float32),
            start_ns=round(newest - (count - 1) * period),
            rate_hz=1e9 / period,
            missed=missed,
            age_ns=max(0, now_ns - round(newest)),
        )
