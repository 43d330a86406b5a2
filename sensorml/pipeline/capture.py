"""Windows that begin at a trigger. Pure, like `ring`.

A trigger and the block with its moment arrive in either order: some history is kept,
and a trigger may be ahead of the samples. The first row of the window is the first
that was taken at the trigger or after it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from sensorml.pipeline.ring import Ring, Windows
from sensorml.types import Block

HISTORY_S: Final = 1.0
"""The longest time from the block with a trigger's moment to the trigger."""

MAX_PENDING: Final = 64
"""The most triggers that wait for their samples."""


class Capture(Ring):
    """A ring that returns only the windows that begin at a trigger.

    A trigger within the window of the one before is ignored and counted: it may be a
    bounce, and the windows would overlap.
    """

    def __init__(
        self, *, channels: int, window: int, rate_hz: float, frozen_rows: int = 0
    ) -> None:
        super().__init__(
            channels=channels, window=window, hop=window, frozen_rows=frozen_rows
        )
        self.ignored = 0
        """Triggers within the window of another, or more than `MAX_PENDING`."""
        self._history = max(window, math.ceil(rate_hz * HISTORY_S))
        self._pending: deque[int] = deque()
        self._over_ns: float = -math.inf  # end of the last window

    def trigger(self, at_ns: int) -> None:
        """Add a trigger; triggers come in the order of their times."""
        if len(self._pending) < MAX_PENDING:
            self._pending.append(at_ns)
        else:
            self.ignored += 1

    def push(self, block: Block) -> Windows | None:
        """Add a block; return the first window that it completes, or None."""
        self._append(block)
        return self.take()

    def take(self) -> Windows | None:
        """Return the next window of which all rows are there, or None."""
        while self._pending and self._pending[0] <= self._over_ns:
            self._pending.popleft()
            self.ignored += 1
        oldest = max(self._next, self._count - self._history)
        first = self._first_since(self._pending[0], oldest) if self._pending else None
        if first is None:
            self._next = oldest
            self._forget()
            return None
        if self._count - first < self.window:
            return None
        at_ns = self._pending.popleft()
        self._next = first
        cut = self._with_late_rows(self._cut(1), at_ns)
        self._windows += 1
        self._next = first + self.window
        self._over_ns = cut.end_ns[0]
        self._forget()
        return cut

    def _first_since(self, at_ns: int, oldest: int) -> int | None:
        """Return the first row that is kept and was taken at `at_ns` or later."""
        ends = [*(span[0] for span in self._spans[1:]), self._count]
        for (begin, start_ns, period_ns), end in zip(self._spans, ends, strict=False):
            before = begin + math.floor((at_ns - start_ns) / period_ns) - 1
            for row in range(max(begin, oldest, before), end):
                if start_ns + round((row - begin) * period_ns) >= at_ns:
                    return row
        return None

    def _with_late_rows(self, cut: Windows, at_ns: int) -> Windows:
        """Lower the quality where the rows right after the trigger are missing."""
        period_ns = self._spans[-1][2]
        late = max(0, round((cut.start_ns[0] - at_ns) / period_ns) - 1)
        missed = self.window / cut.quality[0] - self.window
        quality = self.window / (self.window + missed + late)
        return cut._replace(quality=(quality,), whole=(False,)) if late else cut
