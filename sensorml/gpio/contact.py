"""Debounced inputs: contacts, buttons and switches.

A contact is looked at from time to time. Between two looks the kernel notes the time of
every edge, so no pulse is lost, and a level counts by these times only. A line with
hum, or with an open end, has edges all the time: it is disturbed, and has no level.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from sensorml.errors import BusError, Reason
from sensorml.gpio.debounce import Change, Debouncer, Edge
from sensorml.gpio.factory import KernelLine, as_bus_error, kernel_line
from sensorml.gpio.kernel import BOTH_EDGES, PULLS, Flag, LineRequest, configuration
from sensorml.gpio.lines import InputLine, Level, Pull, kernel_time_ns
from sensorml.gpio.names import LineName

BOUNCE_S: Final = 0.05
"""The default bounce time: longer than half a period of railway current, 16.7 Hz."""
LOOK_NS: Final = 50_000_000
"""Between two looks at a contact."""
DISTURBED_NS: Final = 500_000_000
"""A line is disturbed after this time, and the bounce time, without a level."""
MAX_EDGES: Final = 200
"""Edges of one look, 4000 a second, after which they are ignored for a while."""
IGNORE_NS: Final = 1_000_000_000
"""For so long, because every edge costs the computer an interrupt."""


class EdgeSource(Protocol):
    """An open line with the edges that it has had."""

    @property
    def high(self) -> bool:
        """The present level."""
        ...

    def edges(self) -> Iterable[Edge]:
        """Take the edges since the last call, oldest first; never wait."""
        ...

    def observe(self, on: bool) -> None:
        """Stop or continue to note edges."""
        ...

    def close(self) -> None: ...


class Contact:
    """A debounced input; made by `open_contact`, and used by one thread."""

    def __init__(
        self,
        line: LineName,
        source: EdgeSource,
        *,
        active: Level,
        bounce_s: float,
        clock: Callable[[], int],
    ) -> None:
        self._line = line
        self._source = source
        self._high_is_on = active == "high"
        self._bounce_s = bounce_s
        self._clock = clock
        self._now_ns = clock()
        self._ignored_until_ns: int | None = None
        with as_bus_error(line):
            self._debouncer = Debouncer(
                bounce_ns=round(bounce_s * 1e9), high=source.high, now_ns=self._now_ns
            )

    @property
    def value(self) -> bool | None:
        """True while the accepted level is the active one; None before the first."""
        high = self._debouncer.high
        return None if high is None else high == self._high_is_on

    @property
    def disturbed(self) -> Reason | None:
        """The reason why the line had no level at the last look; None: it had one."""
        if self._ignored_until_ns is not None:
            what = "it has thousands of edges a second"
        else:
            since_ns = self._debouncer.unsettled_ns
            limit_ns = DISTURBED_NS + round(self._bounce_s * 1e9)
            if since_ns is None or self._now_ns - since_ns <= limit_ns:
                return None
            what = f"no level lasts {self._bounce_s:g} s"
        return Reason(
            f"GPIO {self._line} is disturbed, {what}",
            "check the wiring, keep the cable away from mains, or add a pull-up of "
            "1 to 4.7 kΩ and a capacitor",
        )

    def look(self) -> Sequence[tuple[bool, int]]:
        """Return the changes since the last look: the value, and the time of its edge.

        Raises:
            BusError: the line cannot be read.
        """
        self._now_ns = self._clock()
        with as_bus_error(self._line):
            changes = self._changes()
        return [(each.high == self._high_is_on, each.at_ns) for each in changes]

    def close(self) -> None:
        self._source.close()

    def _changes(self) -> Sequence[Change]:
        if self._ignored_until_ns is not None:
            if self._now_ns >= self._ignored_until_ns:
                self._ignored_until_ns = None
                self._observe(True)
            return ()
        edges = list(self._source.edges())  # all before the level
        if len(edges) > MAX_EDGES:
            self._ignored_until_ns = self._now_ns + IGNORE_NS
            self._observe(False)
            return ()
        changes = [self._debouncer.add(edge) for edge in edges]
        changes.append(self._debouncer.look(self._now_ns, self._source.high))
        return [change for change in changes if change is not None]

    def _observe(self, on: bool) -> None:
        """Stop or continue to note edges, with a level of unknown age."""
        for _ in self._source.edges():
            pass
        self._source.observe(on)
        self._debouncer.add(Edge(self._now_ns, self._source.high, lost=True))


class KernelEdges:
    """The edges of a line of the kernel, with their numbers and times."""

    def __init__(self, line: LineName, at: KernelLine, pull: Pull) -> None:
        if at.pull not in (pull, ""):
            raise ValueError(f"it has a resistor, pull-{at.pull}, on the board")
        config = configuration(Flag.INPUT | PULLS[pull] | BOTH_EDGES)
        self._request = LineRequest(at.place, config, f"sensorml {line}")

    @property
    def high(self) -> bool:
        return self._request.high

    def edges(self) -> Iterable[Edge]:
        return self._request.edges()

    def observe(self, on: bool) -> None:
        # Without a flag of a pull the kernel leaves the pull as it is.
        self._request.configure(configuration(Flag.INPUT | BOTH_EDGES * on))

    def close(self) -> None:
        self._request.close()


class PinEdges(InputLine):
    """The edges of a pin of gpiozero, which arrive on a thread of its library."""

    def __init__(self, line: LineName, pull: Pull, clock: Callable[[], int]) -> None:
        # A late look finds more edges than it takes into account, and so a disturbance.
        self._edges: deque[Edge] = deque(maxlen=2 * MAX_EDGES)

        def on_edge(ticks_s: float, high: bool) -> None:
            self._edges.append(Edge(kernel_time_ns(ticks_s, clock()), high))

        super().__init__(line, on_edge=on_edge, pull=pull, active="high", bounce_s=0)

    def edges(self) -> Iterable[Edge]:
        return [self._edges.popleft() for _ in range(len(self._edges))]


def open_contact(
    line: LineName,
    *,
    pull: Pull = "up",
    active: Level | None = None,
    bounce_s: float = BOUNCE_S,
    clock: Callable[[], int] = time.monotonic_ns,
) -> Contact:
    """Open a debounced input.

    `active` is the level that means True; by default the level opposite to the pull, so
    that True is a pressed button. A level counts after it has lasted `bounce_s`.

    Raises:
        BusError: no access, no such line, or another program holds it.
    """
    with as_bus_error(line):
        at = kernel_line(line)
        source: EdgeSource = (
            PinEdges(line, pull, clock) if at is None else KernelEdges(line, at, pull)
        )
    try:
        return Contact(
            line,
            source,
            active=active or ("low" if pull == "up" else "high"),
            bounce_s=bounce_s,
            clock=clock,
        )
    except BusError:
        source.close()
        raise
