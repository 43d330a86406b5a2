"""The committer over a real journal: a store that fails, a clock that is set."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import SECOND, Clock

from sensorml.clock import WallClock
from sensorml.storage.committer import Committer
from sensorml.storage.outbox import Outbox
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS
from sensorml.threads import Worker

UTC = 1_700_000_000 * SECOND


class WatchedCommitter(Committer):
    """A committer whose commits a test can wait for."""

    committed: asyncio.Semaphore

    async def commit(self) -> None:
        await super().commit()
        self.committed.release()


class Bench:
    """A committer with its outbox, and clocks that the test sets."""

    def __init__(self, path: Path, worker: Worker) -> None:
        self.path = path
        self.monotonic, self.utc = Clock(5 * SECOND), Clock(UTC)
        self.wake = asyncio.Event()
        wall = WallClock(monotonic_ns=self.monotonic, utc_ns=self.utc)
        self.outbox = Outbox(urgent=self.wake.set)
        self.committer = WatchedCommitter(
            path,
            self.outbox,
            worker,
            wall=wall,
            max_mb=16,
            commit_s=30,
            wake=self.wake,
        )
        self.committer.committed = asyncio.Semaphore(0)

    def event(self, subject: str) -> None:
        self.outbox.event(
            at_ns=self.monotonic(), kind="test", subject=subject, state="ok"
        )

    def events(self, *columns: str) -> list[tuple[object, ...]]:
        """Return these columns of the events in the journal."""
        reader = Reader.open(self.path)
        try:
            rows = reader.rows("event", 0, 1000)
        finally:
            reader.close()
        places = [COLUMNS["event"].index(column) for column in columns]
        return [tuple(row[place] for place in places) for row in rows]


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("journal")
    yield worker
    worker.close()


@pytest.fixture
async def bench(tmp_path: Path, worker: Worker) -> Bench:
    return Bench(tmp_path / "store" / "journal.db", worker)


async def stopped(bench: Bench) -> None:
    """Run the committer's task with `stop` set already."""
    stop = asyncio.Event()
    stop.set()
    await bench.committer.run(stop, after=stop)


async def test_rows_are_written_once(bench: Bench) -> None:
    bench.event("one")
    await bench.committer.commit()
    await bench.committer.commit()
    bench.event("two")
    await stopped(bench)
    assert bench.events("subject", "time_ns") == [("one", UTC), ("two", UTC)]
    assert bench.committer.opened.is_set()


async def test_rows_that_could_not_be_written_are_kept_and_written_once(bench) -> None:
    blocker = bench.path.parent
    blocker.write_text("a file where the folder should be")
    bench.event("one")
    await bench.committer.commit()
    bench.event("two")
    await bench.committer.commit()
    assert "is a file and no folder" in bench.committer.error
    assert not bench.committer.opened.is_set()
    blocker.unlink()
    await bench.committer.commit()
    assert bench.committer.error == ""
    await stopped(bench)
    assert bench.events("subject", "state", "previous") == [
        ("one", "ok", ""),
        ("journal", "failed", ""),
        ("two", "ok", ""),
        ("journal", "ok", "failed"),
    ]


async def test_an_open_store_that_fails_recovers(bench: Bench) -> None:
    await bench.committer.commit()
    locker = sqlite3.connect(bench.path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    journal = bench.committer._journal
    assert journal is not None
    assert journal._db is not None
    journal._db.execute("PRAGMA busy_timeout = 0")
    bench.event("one")
    await bench.committer.commit()
    assert "holds its lock" in bench.committer.error
    locker.rollback()
    locker.close()
    await bench.committer.commit()
    assert bench.committer.error == ""
    await stopped(bench)
    assert [s for (s,) in bench.events("subject")] == ["one", "journal", "journal"]


async def test_the_number_of_lost_predictions_is_reported(bench: Bench) -> None:
    bench.path.parent.write_text("in the way")
    await bench.committer.commit()
    bench.outbox.dropped += 12
    bench.path.parent.unlink()
    await bench.committer.commit()
    await stopped(bench)
    assert bench.events("value", "detail")[-1] == (
        12.0,
        "can be written again; 12 predictions were lost meanwhile",
    )


async def test_a_clock_step_moves_rows_that_are_written_or_pending(
    bench: Bench,
) -> None:
    bench.event("before")
    await bench.committer.commit()
    bench.event("waiting")
    bench.utc.advance(3_600)
    await bench.committer.commit()
    bench.event("after")
    await stopped(bench)
    rows = dict(bench.events("subject", "time_ns"))
    moved = UTC + 3_600 * SECOND
    assert [rows[s] for s in ("before", "waiting", "after")] == [moved] * 3
    [clock] = [
        row for row in bench.events("kind", "state", "value") if row[0] == "clock"
    ]
    assert clock == ("clock", "stepped", 3_600.0)


async def test_a_clock_step_leaves_rows_of_an_earlier_run(
    bench: Bench, worker: Worker
) -> None:
    bench.event("earlier")
    await stopped(bench)
    later = Bench(bench.path, worker)
    later.event("before")
    await later.committer.commit()
    later.utc.advance(3_600)
    await stopped(later)
    rows = dict(later.events("subject", "time_ns"))
    assert rows["earlier"] == UTC
    assert rows["before"] == UTC + 3_600 * SECOND


async def test_a_clock_step_leaves_rows_that_a_sink_has_sent(bench: Bench) -> None:
    bench.event("sent")
    await bench.committer.commit()
    bench.event("unsent")
    await bench.committer.commit()
    await bench.committer.acknowledge("influx", "event", 1)
    bench.utc.advance(3_600)
    await bench.committer.commit()
    await stopped(bench)
    rows = dict(bench.events("subject", "time_ns"))
    assert rows["sent"] == UTC
    assert rows["unsent"] == UTC + 3_600 * SECOND


async def test_a_clock_step_while_the_store_fails_moves_every_row_once(
    bench: Bench,
) -> None:
    bench.event("written")
    await bench.committer.commit()
    aside = bench.path.parent.rename(bench.path.parent.with_name("aside"))
    bench.path.parent.write_text("in the way")
    bench.event("waiting")
    bench.utc.advance(3_600)
    await bench.committer.commit()
    assert bench.committer.error
    bench.utc.advance(60)
    await bench.committer.commit()
    bench.path.parent.unlink()
    aside.rename(bench.path.parent)
    await bench.committer.commit()
    await stopped(bench)
    rows = dict(bench.events("subject", "time_ns"))
    assert rows["written"] == rows["waiting"] == UTC + 3_660 * SECOND


async def test_damage_to_the_journal_is_an_event(bench: Bench) -> None:
    bench.path.parent.mkdir()
    bench.path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
    bench.event("one")
    await bench.committer.commit()
    await stopped(bench)
    [incident] = [
        row for row in bench.events("state", "detail") if row[0] == "incident"
    ]
    assert str(bench.path) in str(incident[1])


async def test_an_acknowledgement_is_written_with_the_next_commit(bench) -> None:
    bench.event("one")
    await bench.committer.commit()
    await bench.committer.acknowledge("influx", "event", 1)
    await bench.committer.commit()
    reader = Reader.open(bench.path)
    assert reader.offset("influx", "event") == 1
    reader.close()
    await stopped(bench)


async def test_urgent_rows_do_not_wait_for_the_interval(bench: Bench) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    ready.set()
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):  # not the 30 s
        group.create_task(bench.committer.run(stop, after=ready))
        await bench.committer.committed.acquire()
        bench.event("now")
        await bench.committer.committed.acquire()
        assert bench.events("subject") == [("now",)]
        stop.set()
        bench.wake.set()


async def test_a_stop_writes_what_is_pending(bench: Bench) -> None:
    bench.event("last")
    await stopped(bench)
    assert bench.events("subject") == [("last",)]
