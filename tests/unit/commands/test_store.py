"""`sensorml store`: numbers, check, repair and vacuum of a journal."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from journals import EVENT, made_by_version, prediction, stored

from sensorml.cli import main
from sensorml.storage.journal import Journal
from sensorml.storage.rows import Letter


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path):
    journal = Journal.open(path)
    journal.append({"prediction": [prediction()] * 3000, "event": [EVENT] * 9})
    letter = Letter("event", 3, 4, 2, "HTTP 400: no")
    journal.acknowledge("plant", "prediction", 1000)
    journal.acknowledge("plant", "event", 9, [letter])
    journal.flush()
    yield journal
    journal.close()


def store(*args):
    return main(["store", *map(str, args)])


def flip(path, id_):
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE event SET state = 'x' || state WHERE id = ?", (id_,))
        db.commit()


def test_numbers_of_the_journal_of_a_running_service(journal, path, capsys):
    assert store(path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kinds"]["prediction"]["rows"] == 3000
    assert found["kinds"]["event"]["newest_ns"] == EVENT[0]
    assert found["backlog"] == {"plant": 2000}
    assert found["letters"] == {"plant": 2}
    assert found["bytes"] + found["wal_bytes"] > 100_000
    assert store("--store", path) == 0
    text = capsys.readouterr().out
    assert "3,000 rows" in text
    assert "sink plant: 2,000 rows to send, 2 refused" in text


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_journal_that_may_not_be_written_is_shown_and_checked(
    path, version, capsys
):
    made_by_version(version, path)
    path.chmod(0o444)
    before = path.read_bytes()
    assert store(path) == 0
    assert store(path, "--check") == 0
    assert "3 rows are as they were written" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_check_names_wrong_rows_beside_the_service(journal, path, capsys):
    assert store(path, "--check", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3009
    flip(path, 4)
    assert store(path, "--check") == 1
    assert "1 row is damaged and is not sent (event 4)" in capsys.readouterr().out


def test_repair_is_refused_while_a_service_writes(journal, path, capsys):
    flip(path, 4)
    assert store(path, "--repair") == 1
    assert "is written by process" in capsys.readouterr().err


def test_repair_saves_the_good_rows(journal, path, capsys):
    journal.close()
    flip(path, 4)
    assert store(path, "--repair") == 0
    assert "3,008 rows" in capsys.readouterr().out
    assert store(path, "--check") == 0
    assert [id_ for id_, _ in stored(path, "event")] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert store(path, "--repair") == 0
    assert "nothing to repair" in capsys.readouterr().out


def test_repair_of_a_file_without_its_header(journal, path, capsys):
    journal.close()
    before = stored(path, "prediction")
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)
    assert store(path) == 1
    assert store(path, "--check") == 1
    assert store(path, "--repair") == 0
    assert stored(path, "prediction") == before


def test_repair_leaves_the_database_of_another_program(path, capsys):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (x)")
    before = path.read_bytes()
    for option in ("--check", "--repair", "--vacuum"):
        assert store(path, option) == 1
    assert path.read_bytes() == before
    assert [p for p in path.parent.iterdir() if not p.name.endswith(".lock")] == [path]


def test_vacuum_gives_space_back_and_keeps_every_row(journal, path, capsys):
    assert store(path, "--vacuum") == 1  # a service has it
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM prediction WHERE id < 2900")
        db.commit()
    size, rows = path.stat().st_size, stored(path, "prediction")
    assert store(path, "--vacuum") == 0
    assert path.stat().st_size < size / 2
    assert stored(path, "prediction") == rows
    with closing(Journal.open(path)) as again:
        assert again.incidents == []
        assert again.last_ids()["prediction"] == 3000


def test_a_missing_journal_and_no_journal(path, capsys):
    with pytest.raises(SystemExit, match="2"):
        store()
    for option in ("--json", "--check", "--repair", "--vacuum"):
        assert store(path, option) == 1
        assert "no such file" in capsys.readouterr().err
    assert not path.exists()
