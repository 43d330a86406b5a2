"""The task that writes the journal about once a second.

A full or read-only disk costs history, never an alarm: rows wait in the outbox
within its bound, and the failure is an event and part of the status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorml.clock import WallClock
from sensorml.errors import StoreError
from sensorml.interfaces import Row
from sensorml.storage.outbox import Outbox
from sensorml.storage.ownership import Ownership
from sensorml.storage.rows import Letter
from sensorml.threads import Worker

if TYPE_CHECKING:
    from sensorml.storage.journal import Journal

RETRY_S: Final = 5.0
"""Between attempts while the journal cannot be written."""


class Committer:
    """Owns the journal, and calls it on the thread that writes it."""

    def __init__(
        self,
        path: Path,
        outbox: Outbox,
        worker: Worker,
        *,
        wall: WallClock,
        max_mb: float,
        commit_s: float,
        wake: asyncio.Event,
        ownership: Ownership | None = None,
    ) -> None:
        self.path = path
        self.error = ""
        """The reason why nothing can be stored; empty while the journal is written."""
        self.opened = asyncio.Event()
        """Set when there is a journal to read from, or when there will be none."""
        self._ownership = ownership or Ownership(path)
        self._outbox = outbox
        self._worker = worker
        self._wall = wall
        self._max_mb = max_mb
        self._commit_s = commit_s
        self.wake = wake
        """Set by others to have pending rows written now."""
        self._journal: Journal | None = None
        self._since: dict[str, int] = {}
        self._moved_ns = 0
        self._dropped = 0

    async def run(self, stop: asyncio.Event, *, after: asyncio.Event) -> None:
        """Commit until `stop`, then once more.

        The first commit waits for `after`, the first result, or for the usual
        interval, because opening a journal must not delay the monitoring.
        """
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._commit_s):
                    await after.wait()
            while not stop.is_set():
                self.wake.clear()
                await self.commit()
                # Urgent rows (alarms, events) do not wait for the full interval.
                with suppress(TimeoutError):
                    async with asyncio.timeout(
                        RETRY_S if self.error else self._commit_s
                    ):
                        await self._maintain()
                        await self.wake.wait()
        finally:
            await self.commit()
            self.opened.set()
            if self._journal is not None:
                await self._worker.call(self._journal.close)

    async def commit(self) -> None:
        """Write all pending rows; on failure keep them and report it."""
        rows = self._outbox.take()
        moved_ns = self._wall.check()
        self._moved_ns += moved_ns
        if moved_ns:
            self._outbox.event(
                kind="clock",
                subject="wall",
                state="stepped",
                detail=f"the wall clock was set by {moved_ns / 1e9:+.3f} s: "
                "earlier rows were moved with it",
                value=moved_ns / 1e9,
            )
        try:
            await self._worker.call(self._write, rows, self._wall.offset_ns)
        except StoreError as error:
            self._outbox.put_back(rows)
            if not self.error:
                self._outbox.event(
                    kind="store",
                    subject="journal",
                    state="failed",
                    detail=f"{error}; rows wait in memory meanwhile",
                )
            self.error = str(error)
            return
        self.opened.set()
        self._report_incidents()
        if self.error:
            self.error = ""
            lost, self._dropped = (
                self._outbox.dropped - self._dropped,
                self._outbox.dropped,
            )
            self._outbox.event(
                kind="store",
                subject="journal",
                state="ok",
                previous="failed",
                detail=f"can be written again; {lost} predictions were lost meanwhile",
                value=lost,
            )

    async def _maintain(self) -> None:
        """Keep the journal in order, in short steps, until there are rows to write."""
        if self._journal is None or self.error:
            return
        while await self._worker.call(self._journal.maintain):
            if self.wake.is_set():
                return

    async def acknowledge(
        self,
        sink: str,
        kind: str,
        last_id: int | None,
        letters: Sequence[Letter] = (),
    ) -> None:
        """Store that a sink has every row up to an id, but for the letters."""
        if self._journal is not None:
            await self._worker.call(
                self._journal.acknowledge, sink, kind, last_id, letters
            )

    async def verify(self) -> None:
        """Check the journal, after a reader could not read it."""
        if self._journal is not None:
            with suppress(StoreError):  # the next commit reports it
                await self._worker.call(self._journal.verify)

    def not_stored(self) -> str:
        """Return how many rows were lost with the last commit and why; "" if none."""
        count = len(self._outbox) + self._outbox.dropped - self._dropped
        return f"{count:,} rows are not stored: {self.error}" if self.error else ""

    def _write(self, rows: Mapping[str, Sequence[Row]], offset_ns: int) -> None:
        """Write on the journal's thread, which also imports SQLite."""
        from sensorml.storage.journal import Journal

        if self._journal is None:
            self._journal = Journal.open(
                self.path, max_mb=self._max_mb, ownership=self._ownership
            )
            self._since = dict(self._journal.last_ids())
        if self._moved_ns:
            self._journal.restamp(self._moved_ns, self._since)
            self._moved_ns = 0
        if rows:
            self._journal.append(rows, offset_ns=offset_ns)
        else:
            self._journal.flush()

    def _report_incidents(self) -> None:
        if self._journal is not None and self._journal.incidents:
            incidents, self._journal.incidents = self._journal.incidents, []
            for incident in incidents:
                self._outbox.event(
                    kind="store", subject="journal", state="incident", detail=incident
                )
