"""Policy after each outcome of a sink: send on, halve, wait, hold or set aside.

Failures belong to a kind of rows, because a server can refuse one kind and take
another; only a server that does not answer makes every kind wait.

A refused batch is halved until the refused row stands alone. That row is suspected
and not set aside before the server has accepted another row of its kind: a
neighbour, or the newest row of all, which is sent for this purpose. Without such a
row it is not about the rows. Then all of them are kept, the state is `refused`, and
they are tried again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from sensorml.backoff import BackOff
from sensorml.interfaces import (
    Delivered,
    Hold,
    NoAnswer,
    Outcome,
    Refused,
    Retry,
    Split,
)
from sensorml.storage.rows import Letter
from sensorml.storage.tables import KINDS

State = Literal["ok", "refused", "away", "held"]

_WORST_LAST: Final = ("ok", "refused", "away", "held")
_FIRST_RETRY_S: Final = 1.0
_HOLD_S: Final = 60.0
_SAME_REFUSALS: Final = 3
"""So many single rows refused in the same words may not be about the rows."""
_REFUSALS: Final = 12
"""The same, in different words."""
_FEW: Final = 16
"""Up to so many refused rows of a batch are searched for, one by one."""


class Damaged(NamedTuple):
    """The row is damaged in the journal: it must not be sent to any server."""

    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """State of the delivery to one sink, and its counts."""

    state: State = "ok"
    reason: str = ""
    """The reason why it is away, held or refused; else empty."""
    backlog: int = 0
    """Rows not delivered yet, including those that were thinned meanwhile."""
    sent: int = 0
    set_aside: int = 0
    """Rows the server refused; they stay in the journal, as letters."""


class Batch(NamedTuple):
    """Rows of one kind that were sent, by their ids."""

    kind: str
    rows: int
    first_id: int
    last_id: int


class Step(NamedTuple):
    """The step that follows one outcome."""

    sent_to: int | None = None
    """The next batch begins after this id; None: with the same rows."""
    stored_to: int | None = None
    """Every row up to this id is delivered or a letter; None: as before."""
    letters: tuple[Letter, ...] = ()
    """Rows that are set aside."""
    wait_s: float = 0.0
    """Before the next batch of this kind."""
    all_wait: bool = False
    """The wait is for every kind."""
    try_newest: bool = False
    """The newest row of this kind is sent next, to see whether it is accepted."""


class RetryPolicy:
    """Decides what to do after each outcome of a sink; pure but for the jitter."""

    def __init__(
        self,
        *,
        batch_rows: int = 1,
        longest_wait_s: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        def back_off() -> BackOff:
            return BackOff(
                first_s=_FIRST_RETRY_S, longest_s=longest_wait_s, jitter=jitter
            )

        self._server = back_off()
        self._silence = ""
        self._kinds = {kind: _Kind(kind, batch_rows, back_off()) for kind in KINDS}
        self._sent = 0
        self._set_aside = 0

    @property
    def status(self) -> Status:
        if self._silence:
            state: State = "away"
            reason = self._silence
        else:
            worst = max(self._kinds.values(), key=lambda k: _WORST_LAST.index(k.state))
            state, reason = worst.state, worst.reason
        return Status(state, reason, sent=self._sent, set_aside=self._set_aside)

    def resize(self, batch_rows: int) -> None:
        """Set the most rows of a batch, before the first one."""
        for kind in self._kinds.values():
            kind.resize(batch_rows)

    def limit(self, kind: str) -> int:
        """Return how many rows of this kind to send next."""
        return self._kinds[kind].limit

    def after(self, batch: Batch, outcome: Outcome | Damaged) -> Step:
        """Return the step after the outcome of a batch."""
        if isinstance(outcome, NoAnswer):
            return self._no_answer(batch, outcome)
        self._answered()
        return self._counted(batch, self._kinds[batch.kind].after(batch, outcome))

    def after_newest(self, batch: Batch, outcome: Outcome | Damaged) -> Step:
        """Return the step after the newest row was sent, as a proof."""
        if isinstance(outcome, NoAnswer):
            return self._no_answer(batch, outcome)
        self._answered()
        kind = self._kinds[batch.kind]
        if isinstance(outcome, Delivered):
            return self._counted(batch._replace(rows=0), kind.proven())
        if isinstance(outcome, (Retry, Hold)):
            return kind.after(batch, outcome)
        return kind.refused()

    def idle(self) -> None:
        """Note that every row of every kind is delivered."""
        self._answered()

    def nothing_left(self, kind: str) -> Step:
        """Return the step when there are no more rows of a kind."""
        return self._kinds[kind].nothing_left()

    def hangs(self, reason: str) -> None:
        """Note that the sink has not returned; its next outcome ends this."""
        self._silence = reason

    def unreadable(self, reason: str) -> Step:
        """Return the step when the journal cannot be read."""
        self._silence = reason
        return Step(wait_s=self._server.failed(), all_wait=True)

    def _no_answer(self, batch: Batch, outcome: NoAnswer) -> Step:
        self._silence = outcome.reason
        kind = self._kinds[batch.kind]
        if outcome.timed_out:
            kind.shrink(batch.rows)
        return Step(kind.forget(), wait_s=self._server.failed(), all_wait=True)

    def _answered(self) -> None:
        self._silence = ""
        self._server.reset()

    def _counted(self, batch: Batch, step: Step) -> Step:
        refused = sum(letter.rows for letter in step.letters)
        self._set_aside += refused
        if step.stored_to is not None:
            within = [x for x in step.letters if x.first_id >= batch.first_id]
            self._sent += batch.rows - sum(letter.rows for letter in within)
        return step


class _Kind:
    """The state of one kind of rows."""

    def __init__(self, name: str, batch_rows: int, back_off: BackOff) -> None:
        self.state: State = "ok"
        self.reason = ""
        self._name = name
        self._back_off = back_off
        self._suspects: list[Letter] = []
        self.resize(batch_rows)

    def resize(self, batch_rows: int) -> None:
        self._largest = batch_rows
        self._fits = batch_rows
        """Rows that the link and the server take at once; it grows slowly again."""
        self._narrow = batch_rows
        """Rows of the next batch while a refused row is looked for."""

    @property
    def limit(self) -> int:
        return min(self._fits, self._narrow)

    def shrink(self, rows: int) -> None:
        self._fits = max(rows // 2, 1)

    def after(self, batch: Batch, outcome: Outcome | Damaged) -> Step:
        match outcome:
            case Delivered():
                return self._delivered(batch)
            case Retry() | Hold():
                return self._later(outcome)
            case Split() if batch.rows > 1:
                self.shrink(batch.rows)
                return Step()
            case Split():
                return self._suspect(batch, 1, outcome.reason)
            case Refused():
                return self._refused(batch, outcome)
            case Damaged() | NoAnswer():
                letter = _letter(batch, 1, outcome.reason)
                stored_to = None if self._suspects else batch.last_id
                return Step(batch.last_id, stored_to, (letter,))

    def _later(self, outcome: Retry | Hold) -> Step:
        if isinstance(outcome, Hold):
            self.state, self.reason = "held", str(outcome.reason)
            return Step(self.forget(), wait_s=_HOLD_S)
        self._fail("away", outcome.reason)
        wait_s = max(self._back_off.failed(), outcome.after_s or 0.0)
        return Step(self.forget(), wait_s=wait_s)

    def proven(self) -> Step:
        """Set the suspected rows aside: the server has accepted another one."""
        letters = tuple(self._suspects)
        self._suspects.clear()
        self._narrow = min(2 * self._narrow, self._largest)
        self._ok()
        end = letters[-1].last_id if letters else None
        return Step(end, end, letters)

    def refused(self) -> Step:
        """Keep the suspected rows, and try them again later."""
        self._fail("refused", self._suspects[-1].reason if self._suspects else "")
        self._narrow = 1
        return Step(self.forget(), wait_s=_HOLD_S)

    def nothing_left(self) -> Step:
        if self._suspects:
            return self.refused()
        self._ok()
        return Step()

    def forget(self) -> int | None:
        """Drop the suspicions; return the id before the first suspected row."""
        first = self._suspects[0].first_id - 1 if self._suspects else None
        self._suspects.clear()
        return first

    def _delivered(self, batch: Batch) -> Step:
        letters = tuple(self._suspects)
        self._suspects.clear()
        self._narrow = min(2 * self._narrow, self._largest)
        if batch.rows >= self._fits:
            self._fits = min(self._fits + self._fits // 16 + 1, self._largest)
        self._ok()
        return Step(batch.last_id, batch.last_id, letters)

    def _refused(self, batch: Batch, outcome: Refused) -> Step:
        rows = outcome.rows
        if batch.rows == 1:
            return self._suspect(batch, 1, outcome.reason)
        if rows is not None and rows >= batch.rows:
            return self._suspect(batch, batch.rows, outcome.reason)
        if rows is not None and rows > _FEW:  # the others are stored
            step = self._delivered(batch)
            letter = _letter(batch, rows, outcome.reason)
            return step._replace(letters=(*step.letters, letter))
        self._narrow = batch.rows // 2
        return Step()

    def _suspect(self, batch: Batch, rows: int, reason: str) -> Step:
        self._suspects.append(_letter(batch, rows, reason))
        if rows > 1:
            return Step(batch.last_id, try_newest=True)
        self._narrow = 1
        words = {_words(letter.reason) for letter in self._suspects}
        enough = _SAME_REFUSALS if len(words) == 1 else _REFUSALS
        return Step(batch.last_id, try_newest=len(self._suspects) >= enough)

    def _ok(self) -> None:
        self._back_off.reset()
        self.state, self.reason = "ok", ""

    def _fail(self, state: State, reason: str) -> None:
        self.state, self.reason = state, f"{self._name} rows: {reason}"


def _letter(batch: Batch, rows: int, reason: str) -> Letter:
    return Letter(batch.kind, batch.first_id, batch.last_id, rows, reason)


def _words(reason: str) -> str:
    """Return a reason without what belongs to one row: quoted text and numbers.

    >>> _words("unable to parse 'event x=1 7': invalid number in 12")
    'unable to parse : invalid number in '
    """
    return re.sub(r"""'[^']*'|"[^"]*"|\d+""", "", reason)
