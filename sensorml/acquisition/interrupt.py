"""The interrupt line of an accelerometer, which rises when there are rows to read.

The kernel records the time of an edge within some 10 µs, while a status read only
shows what had happened by then. `SampleClock` turns the edge and the count in the
FIFO into times.

A sensor works without its line, too: it is then read on schedule. A line that
cannot be opened or is silent is logged as a warning, one that chatters is closed.
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
"""The line is silent after so many reads in a row that should have had an edge."""
MAX_EDGES = 64
"""The line chatters if there are more between two reads."""

_SECOND_NS = 1_000_000_000

log = logging.getLogger(__name__)


class Interrupt:
    """The interrupt line of one sensor; without a line it does nothing."""

    def __init__(
        self,
        line: LineName | None,
        rows: int,
        clock: Callable[[], int],
        *,
        rises: Literal["at watermark", "after status"] = "at watermark",
    ) -> None:
        """Make it; `open` claims the line.

        Args:
            line: The line that the pin is wired to; None: no line.
            rows: How many rows wait in the FIFO when it rises.
            clock: Monotonic, in ns.
            rises: When `rows` wait; or, latched, once after each status read
                with the first new row. Only the former starts a read.
        """
        self.rows = rows
        self._line = line
        self._clock = clock
        self._at_watermark = rises == "at watermark"
        self._wake: Callable[[], None] = _nothing
        self._input: gpio.InputLine | None = None
        self._edges_ns: deque[int] = deque(maxlen=MAX_EDGES + 1)
        self._since_ns = 0  # earlier edges are ignored
        self._silent_reads = 0
        self._warned = False

    @property
    def wired(self) -> bool:
        """True with a line, which the chip must be configured to use."""
        return self._line is not None

    @property
    def wakes(self) -> bool:
        """True where the line starts the reads."""
        return self.wired and self._at_watermark

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, on lgpio's thread, when it is time to read."""
        if self.wakes:
            self._wake = wake

    def open(self) -> None:
        """Claim the line; log a warning, once, if that fails."""
        self.close()
        self._edges_ns.clear()
        self._since_ns = self._clock()
        self._silent_reads = 0
        if self._line is None:
            return
        try:
            self._input = gpio.open_interrupt(self._line, self._rose)
        except BusError as err:
            self._warn(f"{err}; until then the sensor is read on schedule")

    def take(self, rows: int, began_ns: int, ended_ns: int) -> Edge | None:
        """Return the first edge before a status read, and forget the others.

        Call it when all rows that the read announced have been taken out. A line that
        rises at a watermark also rises during that, if a new row comes while the
        level falls: such an edge is ignored.

        Args:
            rows: How many rows the status read announced.
            began_ns: When it began.
            ended_ns: When it ended.
        """
        if self._input is None:
            return None
        edges_ns = [self._edges_ns.popleft() for _ in range(len(self._edges_ns))]
        if len(edges_ns) > MAX_EDGES:
            self._close_chattering()
            return None
        valid = [at_ns for at_ns in edges_ns if self._since_ns <= at_ns <= began_ns]
        self._check_silence(rows, risen=bool(edges_ns))
        if self._at_watermark:
            self._since_ns = self._clock()
        else:  # latched: it may well have risen since
            self._since_ns = ended_ns
            self._edges_ns.extend(at_ns for at_ns in edges_ns if at_ns > began_ns)
        return Edge(self.rows, valid[0]) if valid and rows >= self.rows else None

    def close(self) -> None:
        """Release the line. May be called again."""
        if self._input is not None:
            line, self._input = self._input, None
            line.close()

    def _rose(self, ticks_s: float) -> None:
        """Record an edge; called on lgpio's thread."""
        now_ns = self._clock()
        at_ns = round(ticks_s * 1e9)
        if not now_ns - _SECOND_NS < at_ns <= now_ns:
            at_ns = now_ns  # of another clock than the monotonic one
        first = not self._edges_ns
        self._edges_ns.append(at_ns)
        if first and at_ns >= self._since_ns:
            self._wake()

    def _check_silence(self, rows: int, *, risen: bool) -> None:
        """Log a warning when the line should have risen several times and did not."""
        if risen:
            self._silent_reads = 0
        elif rows >= self.rows:
            self._silent_reads += 1
        if self._silent_reads == SILENT_READS:
            self._warn(
                f"GPIO {self._line}: the interrupt line is silent while samples come, "
                "so the sensor is read on schedule: check that its INT (INT1) pin is "
                "wired to this line"
            )

    def _warn(self, message: str) -> None:
        """Log a warning once, however often the sensor is started again."""
        if not self._warned:
            self._warned = True
            log.warning(message)

    def _close_chattering(self) -> None:
        self.close()
        log.warning(
            "GPIO %s: more than %d edges since the last read, so the interrupt line "
            "is ignored until the sensor starts again: check that the wire "
            "is on the INT (INT1) pin, short, and away from motors",
            self._line,
            MAX_EDGES,
        )


def _nothing() -> None:
    """Do nothing: the sensor is read on schedule."""
