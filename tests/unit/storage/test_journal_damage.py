"""Damage, full disks and kills: what a journal keeps."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from journals import EVENT, prediction, reading, stored

from sensorml.errors import StoreError
from sensorml.storage.journal import Journal
from sensorml.storage.reader import row_id


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "journal.db"


@pytest.fixture
def journal(path):
    journal = Journal.open(path)
    yield journal
    journal.close()


@pytest.mark.parametrize(
    "content", [b"not a database at all, " * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_is_put_aside_and_a_new_one_created(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    journal = Journal.open(path)
    journal.append({"event": [EVENT]})
    [incident] = journal.incidents
    journal.close()
    [aside] = path.parent.glob("journal.db.corrupt-*")
    assert aside.read_bytes() == content
    assert aside.name in incident
    assert len(stored(path, "event")) == 1


def test_damage_inside_a_closed_journal_is_found_when_it_is_opened(path):
    journal = Journal.open(path)
    journal.append({"prediction": [prediction()] * 2000})
    journal.close()
    scribble(path)
    journal = Journal.open(path)
    journal.verify()
    assert "damaged" in journal.incidents[0]
    journal.append({"event": [EVENT]})
    journal.close()


def test_damage_in_operation_costs_the_old_rows_and_ids_continue(journal, path):
    journal.append({"prediction": [prediction()] * 2000, "event": [EVENT]})
    with reading(path) as reader:
        scribble(path)
        with pytest.raises(StoreError, match="cannot be read now"):
            reader.rows("prediction", 0, 10_000)
        journal.verify()
        assert "put aside" in journal.incidents[0]
        journal.append({"prediction": [prediction()]})
        assert [row_id(row) for row in reader.rows("prediction", 2000, 10)] == [2001]


def test_a_write_that_finds_damage_succeeds_in_a_new_file(journal, path):
    journal.append({"event": [EVENT]})
    journal.close()
    path.write_bytes(b"\xff" * path.stat().st_size)
    journal.append({"event": [EVENT, EVENT]})
    assert [id_ for id_, _ in stored(path, "event")] == [2, 3]
    assert "put aside" in journal.incidents[0]


def test_a_journal_that_is_deleted_in_operation_is_created_again(journal, path):
    journal.append({"event": [EVENT]})
    path.unlink()
    journal.append({"event": [EVENT]})
    assert [id_ for id_, _ in stored(path, "event")] == [2]
    assert "deleted" in journal.incidents[0]


def scribble(path: Path) -> None:
    """Damage every page after the first ones, and delete the WAL."""
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * (size - size // 2))


@contextmanager
def largest_file(size: int):
    """Fail writes of files beyond `size` bytes, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_stores_no_part_of_a_call_and_all_of_it_later(journal, path):
    journal.append({"event": [EVENT]})
    rows = {"prediction": [prediction()] * 20_000, "event": [EVENT]}
    journal.acknowledge("plant", "event", 1)
    with largest_file(200_000):
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be written"):
                journal.append(rows)
        assert stored(path, "prediction") == []
    journal.append(rows)
    assert len(stored(path, "prediction")) == 20_000
    assert [id_ for id_, _ in stored(path, "event")] == [1, 2]
    with reading(path) as reader:
        assert reader.offset("plant", "event") == 1


WRITER = """
import sys
from pathlib import Path
from sensorml.storage.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
n = journal.last_ids()["event"]
while True:
    journal.append({"event": [(n + i, "k", "s", "", "", "", 0.0) for i in (1, 2, 3)]})
    n += 3
    journal.acknowledge("plant", "event", n)
    print(n, flush=True)
"""


def test_rows_written_before_a_kill_are_there_after_it(path):
    acknowledged = 0
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        ) as child:
            for _ in range(random.randrange(5, 60)):
                acknowledged = int(child.stdout.readline())
            child.kill()
            told = child.stdout.read().split("\n")
        acknowledged = max([acknowledged, *map(int, filter(None, told[:-1]))])
        rows = stored(path, "event")
        assert [id_ for id_, _ in rows] == [row[0] for _, row in rows]
        assert [id_ for id_, _ in rows] == list(range(1, len(rows) + 1))
        assert len(rows) >= acknowledged > 0
