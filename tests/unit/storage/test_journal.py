"""The journal: rows, offsets, damage, a full disk, the size limit."""

from __future__ import annotations

import math
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sensorml.errors import StoreError
from sensorml.storage.journal import Journal
from sensorml.storage.reader import Reader, row_id
from sensorml.storage.tables import COLUMNS, KINDS

# What people and the other parts of the program address columns by.
EVENT = (10, "sensor", "motor", "stale", "ok", "no data for 2 s", 2.0)


def prediction(score=0.5, state="normal", start_ns=1):
    return (
        *(start_ns, start_ns + 1, "motor", "m", "1", "cpu", score, 1.0, state, 1.0),
        *(1, 2, 3, 4, 5, 0, "", math.nan),
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made" / "journal.db"


@pytest.fixture
def journal(path):
    journal = Journal.open(path)
    yield journal
    journal.close()


@contextmanager
def reading(path):
    reader = Reader.open(path)
    try:
        yield reader
    finally:
        reader.close()


def stored(path, kind):
    with reading(path) as reader:
        return [(row_id(row), row[:-1]) for row in reader.rows(kind, 0, 1_000_000)]


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
    with pytest.raises(sqlite3.IntegrityError):
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


def test_a_newer_journal_is_refused_with_the_reason(path):
    Journal.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer sensorml"):
        Journal.open(path)
    with pytest.raises(StoreError, match="newer sensorml"):
        Reader.open(path)


SENSOR = (1, 2, "motor", "ok", math.nan, 0, 0, 0, 0, 0, 0, 3)


def made_by_version_1(path: Path) -> None:
    """Write a journal of version 1, without the table of sensors."""
    with closing(Journal.open(path)) as journal:
        journal.append({"event": [EVENT] * 3})
        journal.acknowledge("plant", "event", 2)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE sensor")
        db.execute("PRAGMA user_version = 1")
        db.commit()


def test_an_older_journal_keeps_rows_and_offsets_and_gets_the_new_kind(path):
    made_by_version_1(path)
    with closing(Journal.open(path)) as journal:
        assert journal.incidents == []
        journal.append({"event": [EVENT], "sensor": [SENSOR]})
    assert [id_ for id_, _ in stored(path, "event")] == [1, 2, 3, 4]
    [(id_, row)] = stored(path, "sensor")
    assert (id_, row[2], row[4], row[-1]) == (1, "motor", None, 3)
    with reading(path) as reader:
        assert reader.offset("plant", "event") == 2
    Journal.open(path).close()  # and a second time there is nothing to do


def test_an_older_journal_reads_as_empty_for_the_new_kind(path):
    made_by_version_1(path)
    before = path.read_bytes()
    with reading(path) as reader:
        assert reader.rows("sensor", 0, 10) == []
        assert reader.last_id("sensor") == 0
        assert len(reader.rows("event", 0, 10)) == 3
    assert path.read_bytes() == before


def test_a_reader_sees_a_new_kind_that_is_created_after_it_opened(path):
    made_by_version_1(path)
    with reading(path) as reader:
        assert reader.last_id("sensor") == 0
        with closing(Journal.open(path)) as journal:
            journal.append({"sensor": [SENSOR]})
            assert reader.last_id("sensor") == 1


def test_at_the_limit_counts_of_sensors_go_before_events(path):
    journal = Journal.open(path, max_mb=1)
    journal.append({"event": [EVENT] * 50})
    for _ in range(40):
        journal.append({"sensor": [SENSOR] * 2000})
    journal.close()
    assert (
        journal.retention.dropped["sensor"] == 80_000 - len(stored(path, "sensor")) > 0
    )
    assert len(stored(path, "event")) == 50


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


def test_at_the_limit_old_predictions_are_thinned_then_deleted_and_alarms_kept(path):
    journal = Journal.open(path, max_mb=1)
    alarm = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)
    journal.append({"alarm": [alarm] * 50, "event": [EVENT] * 50})
    written = 0
    for _ in range(30):
        states = ["normal"] * 999 + ["anomaly"]
        journal.append({"prediction": [prediction(state=s) for s in states]})
        written += 1000
    kept = stored(path, "prediction")
    cap = journal.retention
    journal.close()
    assert 2000 < len(kept) < written
    assert len(kept) + cap.thinned + cap.dropped["prediction"] == written
    assert cap.thinned > 0
    assert kept[-1][0] == written
    assert len(stored(path, "alarm")) == 50
    assert len(stored(path, "event")) == 50
    assert path.stat().st_size < 2_000_000
    [incident] = journal.incidents
    assert "thinned" in incident


def test_thinning_deletes_normal_rows_only(path):
    journal = Journal.open(path, max_mb=1)
    while not journal.retention.thinned:
        states = ["normal", "anomaly"] * 500
        journal.append({"prediction": [prediction(state=s) for s in states]})
    ids = [id_ for id_, _ in stored(path, "prediction")]
    journal.close()
    anomalies = [id_ for id_ in ids if id_ % 2 == 0]
    assert anomalies == list(range(anomalies[0], ids[-1] + 1, 2))
    assert len(ids) - len(anomalies) < len(anomalies)


def test_at_the_limit_with_events_only_the_oldest_go(path):
    journal = Journal.open(path, max_mb=1)
    for _ in range(15):
        journal.append({"event": [EVENT] * 2000})
    journal.close()
    kept = stored(path, "event")
    assert journal.retention.dropped["event"] == 30_000 - len(kept) > 0
    assert kept[-1][0] == 30_000


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
