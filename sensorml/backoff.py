"""When an accelerator that failed is opened again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable


class BackOff:
    """When to open a delegate again; pure but for the jitter.

    The wait doubles with every failure, between half and all of it at random.
    Failures are forgotten once a delegate has worked for `steady_s`: one that
    fails again soon waits longer. However it fails, there are no more than
    `budget` openings in `budget_s`: each resets the stick.
    """

    def __init__(
        self,
        *,
        first_s: float = 2.0,
        longest_s: float = 600.0,
        steady_s: float = 600.0,
        budget: int = 10,
        budget_s: float = 3600.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._steady_s = steady_s
        self._budget_s = budget_s
        self._jitter = jitter
        self._openings: deque[float] = deque(maxlen=budget)
        self._failures = 0
        self._working_since_s: float | None = None
        self.due_s = -float("inf")
        """When the next opening may begin, on the caller's clock."""

    def opening(self, now_s: float) -> None:
        """Take in that an opening begins."""
        self._openings.append(now_s)

    def working(self, now_s: float) -> None:
        """Take in that the delegate has taken over."""
        self._working_since_s = now_s

    def failed(self, now_s: float) -> None:
        """Take in that it did not open, or failed afterwards; sets `due_s`."""
        since_s, self._working_since_s = self._working_since_s, None
        if since_s is not None and now_s - since_s >= self._steady_s:
            self._failures = 0
        ceiling_s = min(self._first_s * 2.0 ** min(self._failures, 30), self._longest_s)
        self._failures += 1
        self.due_s = now_s + ceiling_s * (0.5 + 0.5 * self._jitter())
        if len(self._openings) == self._openings.maxlen:
            self.due_s = max(self.due_s, self._openings[0] + self._budget_s)
