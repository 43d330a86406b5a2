"""What follows from each answer of a sink: send on, halve, wait, set aside."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from sensorml.backoff import BackOff
from sensorml.interfaces import Delivered, Hold, Outcome, Retry, Split
from sensorml.storage.tables import KINDS

State = Literal["ok", "away", "held"]

_FIRST_RETRY_S: Final = 1.0
_HOLD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Status:
    """How the delivery to one sink goes."""

    state: State = "ok"
    why: str = ""
    backlog: int = 0
    """Rows not delivered yet; counts rows that were thinned meanwhile, too."""
    sent: int = 0
    set_aside: int = 0
    """Rows the server refuses; they stay in the journal."""


class Step(NamedTuple):
    """What follows from one answer."""

    passed: bool
    """The offset moves past the rows that were sent."""
    wait_s: float = 0.0


class RetryPolicy:
    """What to do after each answer of a sink; pure but for the jitter."""

    def __init__(
        self,
        *,
        batch_rows: int,
        longest_wait_s: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._batch_rows = batch_rows
        self._back_off = BackOff(
            first_s=_FIRST_RETRY_S, longest_s=longest_wait_s, jitter=jitter
        )
        self._limits = dict.fromkeys(KINDS, batch_rows)
        self.status = Status()

    def limit(self, kind: str) -> int:
        """Return how many rows of this kind to send next."""
        return self._limits[kind]

    def after(self, kind: str, rows: int, outcome: Outcome) -> Step:
        """Take in what the sink said to `rows` rows of `kind`.

        A refused batch is halved until the one row that is not taken stands
        alone; it is set aside, and batches double again.
        """
        status = self.status
        match outcome:
            case Retry():
                self.status = replace(status, state="away", why=outcome.why)
                wait_s = max(self._back_off.failed(), outcome.after_s or 0.0)
                return Step(passed=False, wait_s=wait_s)
            case Hold():
                self.status = replace(status, state="held", why=outcome.why)
                return Step(passed=False, wait_s=_HOLD_S)
            case Split() if rows > 1:
                self._limits[kind] = rows // 2
                self._answered()
                return Step(passed=False)
            case Split():
                self._answered(set_aside=1)
            case Delivered():
                self._answered(sent=rows)
        self._limits[kind] = min(2 * self._limits[kind], self._batch_rows)
        return Step(passed=True)

    def nothing_left(self) -> None:
        """Take in that every row is delivered."""
        self._answered()

    def _answered(self, *, sent: int = 0, set_aside: int = 0) -> None:
        self._back_off.reset()
        self.status = replace(
            self.status,
            state="ok",
            why="",
            sent=self.status.sent + sent,
            set_aside=self.status.set_aside + set_aside,
        )
