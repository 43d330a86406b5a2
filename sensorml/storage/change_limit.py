"""The limit of rows about one thing whose state comes and goes.

Without it, a loose wire would push all other history out of the journal. Pure: the time
comes in with each call.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

CHANGES_AT_ONCE: Final = 12
"""Changes in a row that are all reported."""
CHANGE_EVERY_NS: Final = 60_000_000_000
"""Between later reports, of the changes since the last one."""


class RateLimit:
    """A token bucket, kept as the time at which it is full again (GCRA)."""

    def __init__(self, *, burst: int, every_ns: int) -> None:
        """Allow `burst` at once, and one more for each `every_ns` that passes."""
        self._room_ns = (burst - 1) * every_ns
        self._every_ns = every_ns
        self._full_ns = -math.inf

    def allows(self, now_ns: int) -> bool:
        """Return whether one more is allowed now; if so, count it.

        >>> limit = RateLimit(burst=2, every_ns=10)
        >>> [limit.allows(now_ns) for now_ns in (0, 1, 2, 9, 10, 11, 20, 99)]
        [True, True, False, False, True, False, True, True]
        """
        full_ns = max(self._full_ns, now_ns)
        if full_ns - now_ns > self._room_ns:
            return False
        self._full_ns = full_ns + self._every_ns
        return True


class Report(NamedTuple):
    """The changes that one row reports."""

    previous: str
    """The state that was reported last."""
    changes: int

    def reason(self, last: str) -> str:
        """Return the reason of the last change, with the number of all.

        >>> Report("ok", 1).reason("a loose wire")
        'a loose wire'
        >>> Report("ok", 7).reason("a loose wire")
        'a loose wire; 7 changes since the last event'
        """
        often = f"{self.changes} changes since the last event"
        return "; ".join(filter(None, [last, often if self.changes > 1 else ""]))


class ChangeLimit:
    """The changes of one thing: a dozen are reported at once, then one a minute.

    Later changes are reported together, as the last one and their number.
    """

    def __init__(self, state: str) -> None:
        """Begin with a state that needs no report."""
        self._reported = state
        self._changes = 0
        self._limit = RateLimit(burst=CHANGES_AT_ONCE, every_ns=CHANGE_EVERY_NS)

    def count(self) -> None:
        """Take in a change."""
        self._changes += 1

    def due(self, state: str, now_ns: int) -> Report | None:
        """Return what is to be reported now, with the present state.

        Call it after every change, and from time to time.
        """
        if not self._changes or not self._limit.allows(now_ns):
            return None
        return self.rest(state)

    def rest(self, state: str) -> Report | None:
        """Return what is not yet reported, whatever the limit."""
        if not self._changes:
            return None
        report = Report(self._reported, self._changes)
        self._reported, self._changes = state, 0
        return report
