"""Journals of older and newer versions: upgraded, read as they are, or refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from journals import EVENT, SENSOR, made_by_version, reading, stored

from sensorml.errors import StoreError
from sensorml.storage.journal import Journal
from sensorml.storage.reader import Reader
from sensorml.storage.tables import KINDS, VERSION

OLDER = range(1, VERSION)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.mark.parametrize("version", OLDER)
def test_an_older_journal_keeps_rows_and_offsets_and_is_upgraded(path, version):
    made_by_version(version, path)
    with closing(Journal.open(path)) as journal:
        assert journal.incidents == []
        journal.append({"event": [EVENT], "sensor": [SENSOR]})
    assert [id_ for id_, _ in stored(path, "event")] == [1, 2, 3, 4]
    [(id_, row)] = stored(path, "sensor")
    assert (id_, row[2], row[4], row[-1]) == (1, "motor", None, 3)
    with reading(path) as reader:
        assert reader.offset("plant", "event") == 2
    Journal.open(path).close()  # and a second time there is nothing to do


@pytest.mark.parametrize("version", OLDER)
def test_an_older_journal_is_read_without_a_change(path, version):
    made_by_version(version, path)
    before = path.read_bytes()
    with reading(path) as reader:
        for kind in KINDS:
            assert len(reader.rows(kind, 0, 10)) == (3 if kind == "event" else 0)
            assert reader.last_id(kind) == (3 if kind == "event" else 0)
            assert not reader.damaged
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", OLDER)
def test_a_reader_sees_what_an_upgrade_adds_after_it_opened(path, version):
    made_by_version(version, path)
    with reading(path) as reader:
        assert reader.last_id("sensor") == 0
        with closing(Journal.open(path)) as journal:
            journal.append({"sensor": [SENSOR]})
            assert reader.last_id("sensor") == 1
            assert len(reader.rows("sensor", 0, 10)) == 1


def test_a_newer_journal_is_refused_with_the_reason_and_not_changed(path):
    Journal.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer sensorml.*upgrade"):
        Journal.open(path)
    with pytest.raises(StoreError, match="newer sensorml"):
        Reader.open(path)
    assert path.read_bytes() == before
