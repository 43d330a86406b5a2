"""Delivery of the journal's rows to a sink, across any outage of its server.

A sink is a reader of the journal with an offset: rows are sent from the offset
on, and the offset moves when the other side has acknowledged them. Nothing is
kept in memory, so an outage costs nothing here. `Batches` reads what comes next,
`RetryPolicy` decides and is pure; `Delivery` sends and waits.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from sensorml.backoff import Allowance
from sensorml.errors import Reason, StoreError, plain_text
from sensorml.interfaces import (
    ChoosesKinds,
    Delivered,
    Hold,
    NoAnswer,
    Outcome,
    Refused,
    Retry,
    Sink,
    Split,
)
from sensorml.storage.batches import URGENT_FIRST, Batches, Rows
from sensorml.storage.retry_policy import Batch, Damaged, RetryPolicy, Status, Step
from sensorml.storage.rows import Letter
from sensorml.threads import DetachedWorker

_DAMAGED: Final = Damaged("its checksum is wrong: the journal was damaged there")
_EVENTS: Final = 12
"""Events of one sink in a row; then there is one a minute."""
_EVENT_S: Final = 60.0
_LONGEST_S: Final = 3600.0
"""A server may ask for a longer wait."""


class Report(Protocol):
    """Makes an event of a change of a sink's state."""

    def __call__(
        self, *, kind: str, subject: str, state: str, previous: str, detail: str
    ) -> object: ...


class Acknowledge(Protocol):
    """Stores that a sink has every row up to an id, but for the letters."""

    def __call__(
        self, kind: str, last_id: int | None, letters: Sequence[Letter]
    ) -> Awaitable[None]: ...


class Attempt(NamedTuple):
    """One batch that was sent, and what follows."""

    kind: str
    stored_to: int | None
    """Every row of the kind up to this id is delivered, but for letters."""
    letters: Sequence[Letter]
    wait_s: float
    """Before the next batch of any kind."""


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most for `seconds`, and clear it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()


class Delivery:
    """Sends the journal to one sink while `run` runs."""

    def __init__(
        self,
        name: str,
        open_sink: Callable[[], Sink],
        store: Path,
        *,
        acknowledge: Acknowledge,
        report: Report,
        verify: Callable[[], Awaitable[None]] | None = None,
        policy: RetryPolicy | None = None,
        poll_s: float = 1.0,
        stop_s: float = 1.0,
        hangs_s: float = 900.0,
        pause: Callable[[asyncio.Event, float], Awaitable[None]] = pause,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            name: the sink's, under which its offset is stored.
            open_sink: makes the receiver; called on its thread, again if it raises.
            store: the journal.
            acknowledge: moves the sink's offset for a kind to an id.
            report: makes an event.
            verify: checks the journal, after it could not be read.
            policy: what to do after each outcome.
            poll_s: between looks for new rows.
            stop_s: for the last attempt at a stop.
            hangs_s: after this time in one call the sink is reported as away.
            pause: waits for an event or some seconds; tests replace it.
            monotonic: the clock of the waits.
        """
        self.name = name
        self._open_sink = open_sink
        self._sink: Sink | None = None
        self._kinds: tuple[str, ...] = URGENT_FIRST
        self._batches = Batches(name, store)
        self._acknowledge = acknowledge
        self._report = report
        self._verify = verify
        self._policy = policy or RetryPolicy()
        self._poll_s = poll_s
        self._stop_s = stop_s
        self._hangs_s = hangs_s
        self._pause = pause
        self._monotonic = monotonic
        self._stopping = asyncio.Event()
        self._due_s: dict[str, float] = {}
        """The time at which a kind that failed is sent again."""
        self._tried_s: dict[str, float] = {}
        self._prove = ""
        """The kind whose newest row is sent next."""
        self._backlog = 0
        self._letter: Letter | None = None
        """The last refused row."""
        self._reported = Status()
        self._unreported = 0
        self._events = Allowance(_EVENTS, _EVENT_S, monotonic)

    @property
    def status(self) -> Status:
        return replace(self._policy.status, backlog=self._backlog)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`, then try once more, within `stop_s`."""
        thread = DetachedWorker(f"sink {self.name}")
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(
                    self._deliver(thread, stop), name=f"deliver {self.name}"
                )
                await stop.wait()
                self._stopping.set()
                await asyncio.wait({work}, timeout=self._stop_s)
                work.cancel()
        finally:
            thread.finish(self._close)

    async def _deliver(self, thread: DetachedWorker, stop: asyncio.Event) -> None:
        last_try = False
        while True:
            if stop.is_set() and not last_try:
                last_try = True
                self._due_s.clear()
            try:
                attempt = await self._watched(thread.call(self._attempt))
            except StoreError as err:
                wait_s = await self._unreadable(err)
            else:
                wait_s = await self._settle(attempt)
            self._report_state()
            if last_try and wait_s:
                return
            if wait_s:
                await self._pause(self._stopping, wait_s)

    async def _watched(self, attempt: Awaitable[Attempt | None]) -> Attempt | None:
        """Wait for an attempt, and report one that does not return."""

        def report() -> None:
            self._policy.hangs(f"has not returned for {self._hangs_s:g} s")
            self._report_state()

        watch = asyncio.get_running_loop().call_later(self._hangs_s, report)
        try:
            return await attempt
        finally:
            watch.cancel()

    def _attempt(self) -> Attempt | None:
        """Read and send one batch, the most urgent first; on the sink's thread."""
        sink = self._opened()
        if self._prove:
            kind, self._prove = self._prove, ""
            rows = self._batches.newest(kind)
            if rows is None:
                none = Batch(kind, 0, 0, 0)
                step = self._policy.after_newest(none, Refused("there is no other row"))
                return self._attempted(Rows(kind, []), step)
            outcome = outcome_of(sink, rows)
            return self._attempted(rows, self._policy.after_newest(rows.batch, outcome))
        now_s = self._monotonic()
        for kind in self._kinds:
            if not self._is_due(kind, now_s):
                continue
            rows = self._batches.next(kind, self._policy.limit(kind))
            if rows is not None:
                self._tried_s[kind] = now_s
                return self._sent(sink, rows)
            step = self._policy.nothing_left(kind)
            self._move(Rows(kind, []), step)
        return None

    def _is_due(self, kind: str, now_s: float) -> bool:
        """Return whether a kind is sent now.

        One that fails is also due before a less urgent one that fails is tried
        again, so that alarms are the first rows after an outage.
        """
        if self._due_s.get(kind, 0.0) <= now_s:
            return True
        less_urgent = self._kinds[self._kinds.index(kind) + 1 :]
        return any(
            self._tried_s.get(kind, 0.0) < self._due_s.get(other, 0.0) <= now_s
            for other in less_urgent
        )

    def _sent(self, sink: Sink | Hold, rows: Rows) -> Attempt:
        outcome = _DAMAGED if rows.damaged else outcome_of(sink, rows)
        if rows.newest and isinstance(outcome, (Split, Refused)):
            self._batches.send_in_order()  # to find the refused rows in the backlog
            return Attempt(rows.kind, None, (), 0.0)
        return self._attempted(rows, self._policy.after(rows.batch, outcome))

    def _attempted(self, rows: Rows, step: Step) -> Attempt:
        """Return the attempt, after noting where and when to go on."""
        self._move(rows, step)
        stored_to = step.stored_to
        if rows.newest:
            stored_to = step.letters[-1].last_id if step.letters else None
        if stored_to is not None:
            stored_to = self._batches.stored_to(rows, stored_to)
        if step.letters:
            self._letter = step.letters[-1]
        self._backlog = self._batches.backlog(self._kinds)
        wait_s = step.wait_s if step.all_wait else 0.0
        return Attempt(rows.kind, stored_to, step.letters, wait_s)

    def _move(self, rows: Rows, step: Step) -> None:
        """Note where to go on, and when."""
        if step.sent_to is not None:
            self._batches.sent_to(rows, step.sent_to)
        if step.try_newest:
            self._prove = rows.kind
        due_s = self._monotonic() + step.wait_s
        for kind in self._kinds if step.all_wait else (rows.kind,):
            if step.wait_s:
                self._due_s[kind] = due_s
            else:
                self._due_s.pop(kind, None)

    def _opened(self) -> Sink | Hold:
        """Return the sink, made if necessary.

        A sink may be somebody's own, and raise anything at all. It must never end
        the service, so here, at the boundary, every exception becomes a hold.
        """
        if self._sink is None:
            try:
                self._sink = self._open_sink()
                self._policy.resize(max(int(self._sink.batch_rows), 1))
                if isinstance(self._sink, ChoosesKinds):
                    self._choose(self._sink.kinds)
            except BaseException as err:  # noqa: BLE001 - see above
                self._sink = None
                return _fault(err)
        return self._sink

    def _choose(self, kinds: Sequence[str]) -> None:
        """Send these kinds alone; forget what was tried before the sink was made."""
        self._kinds = tuple(kind for kind in URGENT_FIRST if kind in kinds)
        for kind in URGENT_FIRST:
            if kind not in self._kinds:
                self._due_s.pop(kind, None)
                self._policy.nothing_left(kind)

    async def _settle(self, attempt: Attempt | None) -> float:
        """Store what an attempt achieved; return the seconds before the next."""
        if attempt is None:
            if not self._due_s:
                self._backlog = 0
                self._policy.idle()
            return self._poll_s
        if attempt.stored_to is not None or attempt.letters:
            await self._acknowledge(attempt.kind, attempt.stored_to, attempt.letters)
        return attempt.wait_s

    async def _unreadable(self, err: StoreError) -> float:
        step = self._policy.unreadable(str(err))
        if self._verify is not None:
            with suppress(StoreError):
                await self._verify()
        return step.wait_s

    def _report_state(self) -> None:
        """Report changes of state, and the 1st, 10th, 100th … row set aside.

        Events are rows that the sink gets, too. They must not feed themselves.
        """
        now, before = self._policy.status, self._reported
        count = now.set_aside
        tenfold = len(str(count or "")) > len(str(before.set_aside or ""))
        if now.state == before.state and not tenfold:
            return
        if not self._events.take():
            self._unreported += 1
            return
        parts = []
        if now.state != before.state:
            parts.append(now.reason or "delivers again")
        if tenfold and self._letter is not None:
            parts.append(f"{self._letter} and set aside, {count} so far")
        if self._unreported:
            parts.append(f"{self._unreported} changes before it were not reported")
        self._reported, self._unreported = now, 0
        self._report(
            kind="sink",
            subject=self.name,
            state=now.state,
            previous=before.state,
            detail="; ".join(parts),
        )

    def _close(self) -> None:
        self._batches.close()
        if self._sink is not None:
            with suppress(BaseException):  # as in `_opened`
                self._sink.close()


def outcome_of(sink: Sink | Hold, rows: Rows) -> Outcome:
    """Send rows; an exception of the sink, or a result that is none, is a hold."""
    if isinstance(sink, Hold):
        return sink
    try:
        return _checked(sink.send(rows.kind, rows.rows))
    except BaseException as err:  # noqa: BLE001 - see `Delivery._opened`
        return _fault(err)


def _checked(outcome: object) -> Outcome:
    """Return an outcome whose text is safe to print and whose numbers are numbers."""
    match outcome:
        case Delivered():
            return outcome
        case Retry(reason, after_s):
            wait_s = None if after_s is None else min(max(0.0, after_s), _LONGEST_S)
            return Retry(_line(reason), wait_s)
        case Hold((what, cure)):
            return Hold(Reason(_line(what), _line(cure)))
        case Refused(reason, rows):
            return Refused(_line(reason), None if rows is None else int(rows))
        case NoAnswer() | Split():
            return outcome._replace(reason=_line(outcome.reason))
    what = f"the sink returned {plain_text(repr(outcome))} and no outcome"
    return Hold(Reason(what, "report this to its author"))


def _line(text: str) -> str:
    return plain_text(text, longest=400)


def _fault(err: BaseException) -> Hold:
    """Return the hold that an exception of a sink becomes."""
    place = traceback.extract_tb(err.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    what = f"the sink failed: {type(err).__name__}: {plain_text(str(err))} ({where})"
    return Hold(Reason(what, "report this to its author"))
