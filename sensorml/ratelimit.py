"""A few at once, then one in a while. Pure: time comes in with each call."""

from __future__ import annotations

import math


class RateLimit:
    """A token bucket, kept as the time at which it will be full again (GCRA)."""

    def __init__(self, *, burst: int, every_ns: int) -> None:
        """`burst` at once, and one more for each `every_ns` that passes."""
        self._room_ns = (burst - 1) * every_ns
        self._every_ns = every_ns
        self._full_ns = -math.inf

    def allows(self, now_ns: int) -> bool:
        """Say whether one more may happen now; if so, it counts as happened.

        >>> limit = RateLimit(burst=2, every_ns=10)
        >>> [limit.allows(now_ns) for now_ns in (0, 1, 2, 9, 10, 11, 20, 99)]
        [True, True, False, False, True, False, True, True]
        """
        full_ns = max(self._full_ns, now_ns)
        if full_ns - now_ns > self._room_ns:
            return False
        self._full_ns = full_ns + self._every_ns
        return True
