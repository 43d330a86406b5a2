"""The accepted level of a contact, from its edges and from looks at it.

Pure: times come in with each call.
"""

from __future__ import annotations

from typing import NamedTuple


class Edge(NamedTuple):
    """A change of a line."""

    at_ns: int
    """The kernel's time of it, CLOCK_MONOTONIC."""
    high: bool
    """The level after it."""
    lost: bool = False
    """True if edges just before it were lost."""


class Change(NamedTuple):
    """A new accepted level, and the time of the edge with which it began."""

    at_ns: int
    high: bool


class Debouncer:
    """One contact: its level counts when it has lasted the bounce time without an edge.

    Any edge starts that time again, also one that leads to the same level, because an
    edge is then lost. So no level of a wave whose halves are shorter counts, and a
    level that stays counts at the first look after the bounce time.
    """

    def __init__(self, *, bounce_ns: int, high: bool, now_ns: int) -> None:
        """Begin with a level; it is not accepted yet."""
        self.high: bool | None = None
        """The accepted level; None before the first one."""
        self.unsettled_ns: int | None = now_ns
        """The time since which no level has lasted; None: the last one has."""
        self._bounce_ns = bounce_ns
        self._last = Edge(now_ns, high)

    def add(self, edge: Edge) -> Change | None:
        """Take in an edge; return the change by the level that it ends."""
        whole = not edge.lost and edge.high is not self._last.high
        change = self._settle(edge.at_ns) if whole else None
        self._last = edge
        if self.unsettled_ns is None:
            self.unsettled_ns = edge.at_ns
        return change

    def look(self, now_ns: int, high: bool) -> Change | None:
        """Take in the present level, after all edges before it."""
        if high is not self._last.high:
            self.add(Edge(now_ns, high, lost=True))
        return self._settle(now_ns)

    def _settle(self, until_ns: int) -> Change | None:
        """Accept the level since the last edge if it has lasted until a time."""
        if until_ns - self._last.at_ns < self._bounce_ns:
            return None
        self.unsettled_ns = None
        before, self.high = self.high, self._last.high
        if before is None or before is self.high:
            return None
        return Change(self._last.at_ns, self.high)
