"""One writer of a journal, and what a writer that was killed leaves behind."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest
from journals import EVENT, stored

from sensorml.errors import StoreError
from sensorml.storage.journal import Journal
from sensorml.storage.ownership import OwnedError, Ownership

OWNER = """
import sys, time
from pathlib import Path
from sensorml.storage.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
at = 1_700_000_000_000_000_000
journal.append({"event": [(at, "k", "s", "", "", "", 0.0)]})
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def owner(path):
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, path], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "open\n"
        yield child
        child.kill()


def test_a_second_process_is_refused_by_name_and_writes_nothing(path, owner):
    before = path.with_name("journal.db-wal").read_bytes()
    with pytest.raises(OwnedError, match=rf"process {owner.pid} .*stop it"):
        Journal.open(path)
    assert path.with_name("journal.db-wal").read_bytes() == before


def test_a_kill_frees_the_journal_and_the_next_writer_reports_the_gap(path, owner):
    owner.kill()
    owner.wait()
    with closing(Journal.open(path)) as journal:
        [incident] = journal.incidents
        assert "was not closed" in incident
        assert "nothing was written from 2" in incident
        journal.append({"event": [EVENT]})
    assert [id_ for id_, _ in stored(path, "event")] == [1, 2]
    with closing(Journal.open(path)) as journal:
        assert journal.incidents == []


def test_a_claim_needs_no_folder(tmp_path):
    Ownership(tmp_path / "none" / "journal.db").claim()


def test_a_released_journal_can_be_taken_again(path):
    first = Ownership(path)
    first.take()
    first.take()
    with pytest.raises(StoreError, match="is written by process"):
        Ownership(path).claim()
    first.release()
    with Ownership(path):
        pass
