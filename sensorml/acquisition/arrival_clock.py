"""Rows that come by themselves, over a network or from another program.

They were taken evenly, and are late by what the way took, which varies. So their
times are a line at the rate that is expected. No row was taken after it came:
where the line is ahead of the arrivals it falls back quickly, and it follows
late ones slowly. Rows that are late by whole periods follow a gap. What comes
after all was only held up: the line is then ahead by what was counted too much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from sensorml.types import Block

LATE: Final = 0.05
"""By how many periods a row the line follows late arrivals: a rate that is off
by so much is followed, more than that are gaps."""
EARLY: Final = 0.25
"""By how many periods a read the line falls back when it is ahead."""
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

        A rate other than the expected one is told only when the rows come too
        fast for it.

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
