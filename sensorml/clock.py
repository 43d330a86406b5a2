"""The wall clock of rows, from the monotonic clock that all other code uses."""

from __future__ import annotations

import time
from collections.abc import Callable


class WallClock:
    """The offset from CLOCK_MONOTONIC to UTC; detects that the wall clock was set.

    A Raspberry Pi without a battery clock boots with a time in the past, and NTP
    sets it later. `check` then returns the step, so that rows with the earlier
    offset can be corrected.
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
        """UTC minus the monotonic time."""

    def check(self) -> int:
        """Follow the wall clock; return its step in ns, or 0.

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
