"""Waits between attempts that keep failing: doubled, capped, spread at random."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable


class BackOff:
    """The wait before the next attempt; pure but for the jitter.

    >>> back_off = BackOff(first_s=1.0, longest_s=5.0, jitter=lambda: 1.0)
    >>> [back_off.failed() for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    >>> back_off.reset()
    >>> back_off.failed()
    1.0
    """

    def __init__(
        self,
        *,
        first_s: float,
        longest_s: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Make a back-off whose waits are between half and all of the full wait.

        `jitter` returns 0 for half, 1 for all, and what lies between: many
        clients of one server must not return at the same moment.
        """
        self._first_s = first_s
        self._longest_s = longest_s
        self._jitter = jitter
        self._failures = 0

    @property
    def longest_next_s(self) -> float:
        """The longest that the next wait can be."""
        return min(self._first_s * 2.0 ** min(self._failures, 30), self._longest_s)

    def failed(self) -> float:
        """Count a failure; return the seconds to wait before the next attempt."""
        wait_s = self.longest_next_s * (0.5 + 0.5 * self._jitter())
        self._failures += 1
        return wait_s

    def reset(self) -> None:
        """Forget the failures: the next wait is the first again."""
        self._failures = 0


class RationedBackOff:
    """The time at which a device may be opened again; pure but for the jitter.

    Failures are forgotten once the device has worked for `steady_s`: one that
    fails again soon waits longer. There are never more than `budget` openings
    in `budget_s`, because each opening resets the device.
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
        self._waits = BackOff(first_s=first_s, longest_s=longest_s, jitter=jitter)
        self._steady_s = steady_s
        self._budget_s = budget_s
        self._openings: deque[float] = deque(maxlen=budget)
        self._working_since_s: float | None = None
        self.due_s = -float("inf")
        """The earliest start of the next opening, on the caller's clock."""

    def opening(self, now_s: float) -> None:
        """Count an opening that begins now."""
        self._openings.append(now_s)

    def working(self, now_s: float) -> None:
        """Note that the device works from now on."""
        self._working_since_s = now_s

    def failed(self, now_s: float) -> None:
        """Set `due_s` after the device did not open, or failed afterwards."""
        since_s, self._working_since_s = self._working_since_s, None
        if since_s is not None and now_s - since_s >= self._steady_s:
            self._waits.reset()
        self.due_s = now_s + self._waits.failed()
        if len(self._openings) == self._openings.maxlen:
            self.due_s = max(self.due_s, self._openings[0] + self._budget_s)


class Allowance:
    """A number of events at once, and then one in each period.

    >>> allowance = Allowance(2, 60.0, iter([0.0, 0.0, 1.0, 2.0, 61.0]).__next__)
    >>> [allowance.take() for _ in range(4)]
    [True, True, False, True]
    """

    def __init__(
        self, most: int, period_s: float, monotonic: Callable[[], float]
    ) -> None:
        self._most = most
        self._period_s = period_s
        self._monotonic = monotonic
        self._left = float(most)
        self._last_s = monotonic()

    def take(self) -> bool:
        """Return whether an event is allowed now, and count it."""
        now_s = self._monotonic()
        gained = (now_s - self._last_s) / self._period_s
        self._left = min(self._left + gained, self._most)
        self._last_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
