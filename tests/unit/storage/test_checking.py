"""The check of a whole journal: what it finds, and what the journal does about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from journals import EVENT, prediction, reading, settle, stored

from sensorml.storage.checking import Findings, check
from sensorml.storage.journal import Journal

PAGE = 4096


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "journal.db"
    with closing(Journal.open(path)) as journal:
        journal.append({"prediction": [prediction()] * 3000, "event": [EVENT] * 9})
    return path


def flip(path, kind, id_):
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE {kind} SET state = 'x' || state WHERE id = ?", (id_,))
        db.commit()


def zero_page(path, kind):
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'"
        page = db.execute(sql, (kind,)).fetchall()[5][0]
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(bytes(PAGE))


def checked(journal):
    """Let a journal do its maintenance until its check has ended."""
    journal.maintain()
    journal._check._thread.join()
    settle(journal)


def test_a_sound_journal_is_read_whole_and_not_changed(path):
    before = path.read_bytes()
    assert check(path) == Findings("", (), 3009)
    assert path.read_bytes() == before


def test_rows_that_differ_from_what_was_written_are_named(path):
    flip(path, "event", 4)
    flip(path, "prediction", 2500)
    findings = check(path)
    assert set(findings.wrong) == {("prediction", 2500), ("event", 4)}
    assert "event 4" in str(findings)


def test_a_damaged_page_is_found(path):
    zero_page(path, "prediction")
    assert check(path).damage


def test_a_check_can_be_ended_between_its_pieces(path):
    assert check(path, pause=lambda: True).rows < 3009


def test_the_journal_saves_its_rows_after_its_own_check_has_found_damage(path):
    zero_page(path, "prediction")
    with closing(Journal.open(path)) as journal:
        assert journal.incidents == []
        checked(journal)
        journal.append({"event": [EVENT]})
        assert "was damaged" in journal.incidents[0]
        assert "are saved" in journal.incidents[1]
    assert 2900 < len(stored(path, "prediction")) < 3000
    assert [id_ for id_, _ in stored(path, "event")] == list(range(1, 11))


def test_the_journal_reports_wrong_rows_and_keeps_its_file(path):
    flip(path, "event", 4)
    inode = path.stat().st_ino
    with closing(Journal.open(path)) as journal:
        checked(journal)
        [incident] = journal.incidents
        assert "1 row is damaged" in incident
    assert path.stat().st_ino == inode
    with reading(path) as reader:
        assert len(reader.rows("event", 0, 20)) == 9
        assert reader.damaged == {4}
