"""Policy after each outcome of a sink: send on, halve, wait or set aside."""

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
    """State of the delivery to one sink, and its counts."""

    state: State = "ok"
    reason: str = ""
    """Why it is away or held; else empty."""
    backlog: int = 0
    """Rows not delivered yet, including those that were thinned meanwhile."""
    sent: int = 0
    set_aside: int = 0
    """Rows the server refused; they stay in the journal."""


class Step(NamedTuple):
    """The step that follows one outcome."""

    passed: bool
    """Whether the offset moves past the rows that were sent."""
    wait_s: float = 0.0


class RetryPolicy:
    """Decides what to do after each outcome of a sink; pure but for the jitter."""

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
        """Return the step after the outcome of sending `rows` rows of `kind`.

        A refused batch is halved until the refused row stands alone. That row
        is set aside, and batches double again.
        """
        match outcome:
            case Retry():
                self.status = replace(self.status, state="away", reason=outcome.reason)
                wait_s = max(self._back_off.failed(), outcome.after_s or 0.0)
                return Step(passed=False, wait_s=wait_s)
            case Hold():
                reason = str(outcome.reason)
                self.status = replace(self.status, state="held", reason=reason)
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
        """Note that every row is delivered."""
        self._answered()

    def _answered(self, *, sent: int = 0, set_aside: int = 0) -> None:
        self._back_off.reset()
        self.status = replace(
            self.status,
            state="ok",
            reason="",
            sent=self.status.sent + sent,
            set_aside=self.status.set_aside + set_aside,
        )
