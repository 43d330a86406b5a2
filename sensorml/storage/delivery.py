"""Delivery of the journal's rows to a sink, across any outage of its server.

A sink is a reader of the journal with an offset: rows are sent from the offset
on, and the offset moves when the other side has acknowledged them. Nothing is
kept in memory, so an outage costs nothing here. `RetryPolicy` decides and is
pure; `Delivery` reads, sends and waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, Protocol, cast

from sensorml.errors import StoreError
from sensorml.interfaces import Outcome, Retry, Sink, Split
from sensorml.storage.reader import Reader
from sensorml.storage.retry_policy import RetryPolicy, Status
from sensorml.storage.tables import KINDS
from sensorml.threads import DetachedWorker

_URGENT_FIRST: Final = ("alarm", "event", "prediction", "sensor", "timing")


class Report(Protocol):
    """Makes an event of a change of a sink's state."""

    def __call__(
        self, *, kind: str, subject: str, state: str, previous: str, detail: str
    ) -> object: ...


class Attempt(NamedTuple):
    """One batch that was sent, and its outcome."""

    kind: str
    rows: int
    last_id: int
    outcome: Outcome
    backlog: int


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
        sink: Sink,
        store: Path,
        *,
        acknowledge: Callable[[str, int], Awaitable[None]],
        report: Report,
        verify: Callable[[], Awaitable[None]] | None = None,
        policy: RetryPolicy | None = None,
        poll_s: float = 1.0,
        stop_s: float = 1.0,
        pause: Callable[[asyncio.Event, float], Awaitable[None]] = pause,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            name: the sink's, under which its offset is stored.
            sink: the receiver.
            store: the journal.
            acknowledge: moves the sink's offset for a kind to an id.
            report: makes an event.
            verify: checks the journal, after it could not be read.
            policy: what to do after each outcome.
            poll_s: between looks for new rows.
            stop_s: for the last attempt at a stop.
            pause: waits for an event or some seconds; tests replace it.
        """
        self.name = name
        self.sink = sink
        self._store = store
        self._acknowledge = acknowledge
        self._report = report
        self._verify = verify
        self._policy = policy or RetryPolicy(batch_rows=sink.batch_rows)
        self._poll_s = poll_s
        self._stop_s = stop_s
        self._pause = pause
        self._stopping = asyncio.Event()
        self._reader: Reader | None = None
        self._offsets: dict[str, int] = {}
        self._backlog = 0

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
        while True:
            last_try = stop.is_set()
            try:
                attempt = await thread.call(self._attempt)
            except StoreError as err:
                wait_s = await self._unreadable(err)
            else:
                wait_s = await self._settle(attempt)
            if last_try and wait_s:
                return
            if wait_s:
                await self._pause(self._stopping, wait_s)

    def _attempt(self) -> Attempt | None:
        """Read and send one batch, the most urgent first; on the sink's thread."""
        if self._reader is None:
            self._reader = Reader.open(self._store)
            self._offsets = {k: self._reader.offset(self.name, k) for k in KINDS}
        offsets = self._offsets
        for kind in _URGENT_FIRST:
            rows = self._reader.rows(kind, offsets[kind], self._policy.limit(kind))
            if rows:
                outcome = self.sink.send(kind, rows)
                ends = {k: self._reader.last_id(k) for k in KINDS}
                backlog = sum(max(ends[k] - offsets[k], 0) for k in KINDS)
                last_id = cast("int", rows[-1][-1])
                return Attempt(kind, len(rows), last_id, outcome, backlog)
        return None

    async def _settle(self, attempt: Attempt | None) -> float:
        """Act on an attempt; return the seconds to wait before the next."""
        before = self._policy.status
        if attempt is None:
            self._backlog = 0
            self._policy.nothing_left()
            self._report_change(before)
            return self._poll_s
        kind, rows, last_id, outcome, self._backlog = attempt
        step = self._policy.after(kind, rows, outcome)
        if step.passed:
            self._backlog = max(self._backlog - (last_id - self._offsets[kind]), 0)
            self._offsets[kind] = last_id
            await self._acknowledge(kind, last_id)
        refused = outcome.reason if isinstance(outcome, Split) else ""
        self._report_change(before, f"row {last_id} of {kind} was refused ({refused})")
        return step.wait_s

    async def _unreadable(self, err: StoreError) -> float:
        before = self._policy.status
        step = self._policy.after("event", 0, Retry(str(err)))
        self._report_change(before)
        if self._verify is not None:
            with suppress(StoreError):
                await self._verify()
        return step.wait_s

    def _report_change(self, before: Status, refusal: str = "") -> None:
        """Report each change of state, and the 1st, 10th, 100th … row set aside."""
        now = self._policy.status
        if now.state != before.state:
            self._event(now.state, before.state, now.reason or "delivers again")
        count = now.set_aside
        if count > before.set_aside and str(count).rstrip("0") == "1":
            detail = f"{refusal} and set aside, {count} so far"
            self._event(now.state, before.state, detail)

    def _event(self, state: str, previous: str, detail: str) -> None:
        self._report(
            kind="sink",
            subject=self.name,
            state=state,
            previous=previous,
            detail=detail,
        )

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self.sink.close()
