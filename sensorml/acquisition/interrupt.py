"""The interrupt line of an accelerometer: it rises when there is something to read.

What matters is when: the kernel notes the time of an edge within some 10 µs,
while a status read only says what had happened by then. How the edge and the
count in the FIFO become times, `SampleClock` says.

The line is a help, not a condition. One that cannot be opened or is silent is
warned of, one that chatters is let go; the schedule reads the sensor all the same.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Literal

from sensorml.acquisition.sample_clock import Edge
from sensorml.errors import BusError
from sensorml.gpio import lines as gpio
from sensorml.gpio.names import LineName

SILENT_READS = 8
"""So many reads in a row that should have had an edge, and the line is silent."""
MAX_EDGES = 64
"""More between two reads, and the line chatters."""

_SECOND_NS = 1_000_000_000

log = logging.getLogger(__name__)


class Interrupt:
    """The interrupt line of one sensor, or none: then it does nothing."""

    def __init__(
        self,
        line: LineName | None,
        rows: int,
        clock: Callable[[], int],
        *,
        rises: Literal["at watermark", "after status"] = "at watermark",
    ) -> None:
        """Make it; `open` listens.

        Args:
            line: What the pin is wired to; None: nothing.
            rows: How many are waiting when it rises.
            clock: Monotonic, in ns.
            rises: When `rows` wait; or, latched, once after each status read
                with the first new row. Only the former says that it is time to
                read.
        """
        self.rows = rows
        self._line = line
        self._clock = clock
        self._at_watermark = rises == "at watermark"
        self._wake: Callable[[], None] = _nothing
        self._input: gpio.InputLine | None = None
        self._edges_ns: deque[int] = deque(maxlen=MAX_EDGES + 1)
        self._since_ns = 0  # edges before this tell nothing
        self._silent_reads = 0
        self._told = False

    @property
    def wired(self) -> bool:
        """Whether there is a line: the chip must be told to use it."""
        return self._line is not None

    @property
    def wakes(self) -> bool:
        """Whether the line says when to read."""
        return self.wired and self._at_watermark

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, on lgpio's thread, when it is time to read."""
        if self.wakes:
            self._wake = wake

    def open(self) -> None:
        """Listen to the line; one that cannot be opened is warned of, once."""
        self.close()
        self._edges_ns.clear()
        self._since_ns = self._clock()
        self._silent_reads = 0
        if self._line is None:
            return
        try:
            self._input = gpio.open_interrupt(self._line, self._rose)
        except BusError as err:
            self._tell(f"{err}; until then the sensor is read on schedule")

    def take(self, rows: int, began_ns: int, ended_ns: int) -> Edge | None:
        """Return what the line told before a status read, and begin anew.

        Called when all that the read announced has been taken out. A line that
        rises at a watermark does so amid that too, when a new row comes while
        the level falls: such an edge is none.

        Args:
            rows: How many the status read announced.
            began_ns: When it began.
            ended_ns: When it ended.
        """
        if self._input is None:
            return None
        told = [self._edges_ns.popleft() for _ in range(len(self._edges_ns))]
        if len(told) > MAX_EDGES:
            self._let_go()
            return None
        valid = [at_ns for at_ns in told if self._since_ns <= at_ns <= began_ns]
        self._listen_for(rows, heard=bool(told))
        if self._at_watermark:
            self._since_ns = self._clock()
        else:  # latched: it may well have risen since
            self._since_ns = ended_ns
            self._edges_ns.extend(at_ns for at_ns in told if at_ns > began_ns)
        return Edge(self.rows, valid[0]) if valid and rows >= self.rows else None

    def close(self) -> None:
        """Stop listening. Harmless when repeated."""
        if self._input is not None:
            line, self._input = self._input, None
            line.close()

    def _rose(self, ticks_s: float) -> None:
        """Note an edge; called on lgpio's thread."""
        now_ns = self._clock()
        at_ns = round(ticks_s * 1e9)
        if not now_ns - _SECOND_NS < at_ns <= now_ns:
            at_ns = now_ns  # by another clock than ours
        first = not self._edges_ns
        self._edges_ns.append(at_ns)
        if first and at_ns >= self._since_ns:
            self._wake()

    def _listen_for(self, rows: int, *, heard: bool) -> None:
        """Warn when the line should have risen and did not."""
        if heard:
            self._silent_reads = 0
        elif rows >= self.rows:
            self._silent_reads += 1
        if self._silent_reads == SILENT_READS:
            self._tell(
                f"GPIO {self._line}: the interrupt line is silent while samples come, "
                "so the sensor is read on schedule: check that its INT (INT1) pin is "
                "wired to this line"
            )

    def _tell(self, what: str) -> None:
        """Warn, once in the life of the sensor: it may start again for ever."""
        if not self._told:
            self._told = True
            log.warning(what)

    def _let_go(self) -> None:
        self.close()
        log.warning(
            "GPIO %s: more than %d edges since the last read, so the interrupt line "
            "is not listened to until the sensor starts again: check that the wire "
            "is on the INT (INT1) pin, short, and away from motors",
            self._line,
            MAX_EDGES,
        )


def _nothing() -> None:
    """Wake nobody: the sensor is read on schedule."""
