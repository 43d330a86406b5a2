"""The journal: rows, offsets, damage, a full disk, the size limit."""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from journals import EVENT, prediction, reading, stored

from sensorml.errors import StoreError
from sensorml.storage.journal import Journal
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS, KINDS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "journal.db"


@pytest.fixture
def journal(path):
    journal = Journal.open(path)
    yield journal
    journal.close()


def test_rows_of_every_kind_are_read_in_order_with_their_ids(journal, path):
    alarm = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)
    timing = (1, 2, "motor", "m", "cpu", "invoke", 9, 1, 2, 3, 4)
    sensor = (1, 2, "motor", "ok", 801.5, 9, 8, 1, 7, 6, 55_000, 2)
    rows = {
        "event": [EVENT, EVENT],
        "alarm": [alarm],
        "timing": [timing],
        "sensor": [sensor],
    }
    journal.append(rows)
    assert {k: stored(path, k) for k in rows} == {
        "event": [(1, EVENT), (2, EVENT)],
        "alarm": [(1, alarm)],
        "timing": [(1, timing)],
        "sensor": [(1, sensor)],
    }
    assert journal.last_ids() == {kind: len(rows.get(kind, ())) for kind in KINDS}


def test_nan_becomes_null_and_numpy_scalars_become_numbers(journal, path):
    row = list(prediction(score=math.nan))
    row[COLUMNS["prediction"].index("quality")] = np.float32(0.25)
    row[COLUMNS["prediction"].index("delay_ns")] = np.int64(7)
    journal.append({"prediction": [tuple(row)]})
    [(_, read)] = stored(path, "prediction")
    values = dict(zip(COLUMNS["prediction"], read, strict=True))
    assert values["score"] is None
    assert values["quality"] == 0.25
    assert values["delay_ns"] == 7


def test_a_value_of_the_wrong_type_is_refused_with_all_rows_of_its_call(journal, path):
    bad = (10, "sensor", "motor", "stale", "ok", "", "much")
    with pytest.raises(TypeError):
        journal.append({"prediction": [prediction()], "event": [EVENT, bad]})
    journal.append({"event": [EVENT]})
    assert stored(path, "prediction") == []
    assert stored(path, "event") == [(1, EVENT)]


def test_ids_are_never_used_again(journal, path):
    journal.append({"event": [EVENT] * 3})
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM event")
    other.close()
    journal.append({"event": [EVENT]})
    assert [id_ for id_, _ in stored(path, "event")] == [4]


def test_an_offset_is_written_with_the_next_append_and_never_goes_back(journal, path):
    journal.append({"event": [EVENT] * 5})
    with reading(path) as reader:
        journal.acknowledge("plant", "event", 3)
        assert reader.offset("plant", "event") == 0
        journal.append({"event": [EVENT]})
        assert reader.offset("plant", "event") == 3
        journal.acknowledge("plant", "event", 2)
        journal.flush()
        assert reader.offset("plant", "event") == 3
        assert reader.offset("plant", "alarm") == 0


def test_closing_writes_the_last_offsets(path):
    journal = Journal.open(path)
    journal.append({"event": [EVENT] * 5})
    journal.acknowledge("plant", "event", 5)
    journal.close()
    with reading(path) as reader:
        assert reader.offset("plant", "event") == 5


def test_a_clock_step_moves_the_instants_of_rows_that_no_sink_has(journal, path):
    journal.append({"prediction": [prediction(start_ns=100)] * 4})
    journal.acknowledge("plant", "prediction", 2)
    journal.restamp(1_000, {"prediction": 1})
    assert [row[:2] for _, row in stored(path, "prediction")] == [
        (100, 101),
        (100, 101),
        (1100, 1101),
        (1100, 1101),
    ]
    assert all(row[10:15] == (1, 2, 3, 4, 5) for _, row in stored(path, "prediction"))


def test_a_reader_sees_new_rows_while_the_journal_is_open(journal, path):
    with reading(path) as reader:
        for n in range(1, 4):
            journal.append({"event": [EVENT]})
            assert reader.last_id("event") == n
            assert reader.rows("event", n - 1, 10) == [(*EVENT, n)]
        assert reader.rows("event", 3, 10) == []


def test_rows_end_at_the_limit_and_skip_deleted_ids(journal, path):
    journal.append({"event": [EVENT] * 6})
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM event WHERE id IN (2, 3)")
    other.close()
    with reading(path) as reader:
        assert reader.rows("event", 1, 2) == [(*EVENT, 4), (*EVENT, 5)]


def test_a_database_of_another_program_is_refused_and_not_changed(tmp_path):
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Journal.open(path)
    with pytest.raises(StoreError, match="another program"):
        Reader.open(path)
    assert path.read_bytes() == before


def test_a_reader_refuses_a_missing_file_and_one_that_is_no_database(tmp_path):
    with pytest.raises(StoreError, match="No such file"):
        Reader.open(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("hello " * 200)
    with pytest.raises(StoreError, match="not a journal"):
        Reader.open(tmp_path / "text.db")


def test_a_folder_that_cannot_be_created_is_an_error_with_a_cure(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="set \\[store\\] path"):
        Journal.open(tmp_path / "file" / "journal.db")


class Life(RuleBasedStateMachine):
    """A journal that is written, closed, killed and damaged in any order."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.db"
        self.journal = Journal.open(self.path)
        self.kept: list[tuple[int, int]] = []
        self.offset = 0
        self.pending = 0
        self.next = 1

    @rule(n=st.integers(0, 30))
    def append(self, n):
        rows = [(self.next + i, *EVENT[1:]) for i in range(n)]
        first = self.journal.last_ids()["event"] + 1
        self.journal.append({"event": rows})
        self.kept += [(first + i, row[0]) for i, row in enumerate(rows)]
        self.next += n
        self.offset = self.pending

    @rule()
    def acknowledge(self):
        self.pending = self.journal.last_ids()["event"]
        self.journal.acknowledge("plant", "event", self.pending)

    @rule()
    def close_and_open(self):
        self.journal.close()
        self.offset = self.pending
        self.journal = Journal.open(self.path)

    @rule()
    def kill_and_open(self):
        """Copy the files in their present state, as a kill leaves them."""
        left = Path(tempfile.mkdtemp(dir=self.folder))
        for file in self.path.parent.glob("journal.db*"):
            shutil.copy(file, left)
        self.journal.close()
        self.path = left / "journal.db"
        self.journal = Journal.open(self.path)
        self.pending = self.offset

    @rule()
    def damage_while_closed(self):
        self.journal.close()
        self.path.write_bytes(b"\x5a" * 3000)
        self.journal = Journal.open(self.path)
        assert self.journal.incidents
        self.kept, self.offset, self.pending = [], 0, 0

    @rule()
    def delete_while_open(self):
        self.journal.append({})
        self.path.unlink()
        self.journal.append({})
        self.kept, self.offset, self.pending = [], 0, 0

    @invariant()
    def every_row_is_there_once_and_ids_increase(self):
        rows = stored(self.path, "event")
        assert [(id_, row[0]) for id_, row in rows] == self.kept
        assert self.kept == sorted(self.kept)
        with reading(self.path) as reader:
            assert reader.offset("plant", "event") == self.offset

    def teardown(self):
        self.journal.close()
        shutil.rmtree(self.folder)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def test_every_kind_has_an_instant():
    assert all({"end_ns", "time_ns"} & set(COLUMNS[kind]) for kind in KINDS)
