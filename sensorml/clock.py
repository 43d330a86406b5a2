"""Wall time for rows, from the monotonic clock that everything else uses."""

from __future__ import annotations

import time
from collections.abc import Callable


class WallClock:
    """Turns CLOCK_MONOTONIC into UTC, and notices when the wall clock is set.

    A Pi without a battery clock boots in the past and is set by NTP later:
    `check` then says by how much, so that rows already made can be put right.
    """

    def __init__(
        self,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        utc_ns: Callable[[], int] = time.time_ns,
        tolerance_ns: int = 500_000_000,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._utc_ns = utc_ns
        self._tolerance_ns = tolerance_ns
        self.offset_ns = self._measure()
        """Add to a monotonic time to have UTC."""

    def check(self) -> int:
        """Follow the wall clock; return by how many ns it was stepped, or 0.

        Slewing by NTP stays below the tolerance between two calls and is
        followed silently.
        """
        offset_ns = self._measure()
        moved_ns = offset_ns - self.offset_ns
        self.offset_ns = offset_ns
        return moved_ns if abs(moved_ns) > self._tolerance_ns else 0

    def _measure(self) -> int:
        before = self._monotonic_ns()
        utc = self._utc_ns()
        return utc - (before + self._monotonic_ns()) // 2
