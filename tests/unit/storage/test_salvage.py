"""Damaged journals: every good row is saved, under its id, and the rest is counted."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import EVENT, made_by_version, prediction, reading, settle, stored

from sensorml.storage.batches import Batches
from sensorml.storage.journal import Journal
from sensorml.storage.rows import Letter
from sensorml.storage.tables import KINDS

PAGE = 4096
ALARM = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def filled(path, rows=3000, *, checkpoint=True):
    """Write a journal of three kinds; return its rows as they are read."""
    journal = Journal.open(path)
    long = (*EVENT[:5], "long " * 2000, 1.5)
    for start in range(0, rows, 500):
        journal.append(
            {
                "prediction": [
                    prediction(score=start + n, start_ns=start + n) for n in range(500)
                ],
                "event": [EVENT, long],
                "alarm": [ALARM],
            }
        )
    journal.acknowledge("plant", "prediction", rows // 2, [LETTER])
    journal.flush()
    before = {kind: dict(stored(path, kind)) for kind in KINDS}
    if checkpoint:
        journal.close()
    else:
        kill(journal)
    return before


def kill(journal):
    """Close a journal, but leave its files as a kill does."""
    files = journal.path.parent.glob(f"{journal.path.name}*")
    left = {file: file.read_bytes() for file in files}
    journal.close()
    for file, content in left.items():
        file.write_bytes(content)


LETTER = Letter("prediction", 7, 7, 1, "HTTP 400: no")


def damage(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def page_of(path, kind, *, root=False):
    """Return the number of a page in the middle of a table, or of its root."""
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ?"
        pages = [n for (n,) in db.execute(sql, (kind, "internal" if root else "leaf"))]
    return pages[0] if root else pages[len(pages) // 2]


def repaired(path):
    """Open a damaged journal, find the damage and save the rows; return the reports."""
    with closing(Journal.open(path)) as journal:
        journal.verify()
        settle(journal)
        return list(journal.incidents)


def lost_rows(incidents):
    counts = re.findall(r"up to ([\d,]+) row", " ".join(incidents))
    return sum(int(count.replace(",", "")) for count in counts)


def test_a_damaged_leaf_costs_its_rows_and_no_other(path):
    before = filled(path)
    damage(path, (page_of(path, "prediction") - 1) * PAGE, bytes(PAGE))
    incidents = repaired(path)
    after = dict(stored(path, "prediction"))
    missing = before["prediction"].keys() - after.keys()
    assert after.items() <= before["prediction"].items()
    assert 0 < len(missing) == lost_rows(incidents) < 100
    assert dict(stored(path, "event")) == before["event"]
    assert dict(stored(path, "alarm")) == before["alarm"]


def test_a_damaged_root_hides_no_row(path):
    before = filled(path)
    damage(path, (page_of(path, "prediction", root=True) - 1) * PAGE, b"\xa5" * PAGE)
    incidents = repaired(path)
    assert {kind: dict(stored(path, kind)) for kind in KINDS} == before
    assert "lost" not in incidents[-1]


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_lost_header_loses_no_row_and_new_ids_are_above_all_old_ones(
    path, checkpoint
):
    before = filled(path, checkpoint=checkpoint)
    damage(path, 0, b"\xff" * 100)
    with closing(Journal.open(path)) as journal:
        journal.append({"prediction": [prediction()]})
        settle(journal)
        unknown = any("not known" in text for text in journal.incidents)
        assert unknown == checkpoint  # else the WAL has a good copy
    rows = dict(stored(path, "prediction"))
    new = max(rows)
    assert new > max(before["prediction"])
    del rows[new]
    assert rows == before["prediction"]
    assert dict(stored(path, "event")) == before["event"]


def test_offsets_and_letters_are_kept_and_unsent_rows_are_sent_before_new_ones(path):
    filled(path)
    damage(path, (page_of(path, "event") - 1) * PAGE, bytes(PAGE))
    with closing(Journal.open(path)) as journal:
        journal.verify()
        journal.append({"prediction": [prediction()]})
        batches = Batches("plant", path)
        batches.send_in_order()
        assert batches.next("prediction", 5000) is None  # older rows are being saved
        settle(journal)
        rows = batches.next("prediction", 5000)
        batches.close()
        assert rows is not None
        ids = [row[-1] for row in rows.rows]
        assert ids == list(range(1501, 3002))
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT sink, first_id FROM letter").fetchall() == [
                ("plant", 7)
            ]


def test_a_salvage_that_was_cut_off_begins_again(path):
    before = filled(path)
    damage(path, (page_of(path, "prediction", root=True) - 1) * PAGE, bytes(PAGE))
    journal = Journal.open(path)
    journal.verify()
    for _ in range(4):
        journal.maintain()
    kill(journal)
    with closing(Journal.open(path)) as journal:
        settle(journal)
    assert {kind: dict(stored(path, kind)) for kind in KINDS} == before


@pytest.mark.parametrize("version", [1, 2, 3])
def test_rows_of_an_older_version_are_saved(path, version):
    made_by_version(version, path)
    before = stored(path, "event")
    damage(path, 0, b"\xff" * 100)
    with closing(Journal.open(path)) as journal:
        settle(journal)
    assert stored(path, "event") == before


def test_damaged_files_are_few_and_small(path):
    for _ in range(4):
        with closing(Journal.open(path, max_mb=1)) as journal:
            journal.append({"event": [EVENT]})
        damage(path, 0, b"\xff" * 100)
        with closing(Journal.open(path, max_mb=1)) as journal:
            settle(journal)
    left = list(path.parent.glob("journal.db.corrupt-*"))
    assert 1 <= len(left) <= 2
    assert sum(file.stat().st_size for file in left) <= 100_000


@pytest.fixture(scope="module")
def killed():
    """The files that a kill leaves, and the rows that a reader was shown."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        filled(path, 1500)
        before = filled(path, 1000, checkpoint=False)
        yield Path(folder), before


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_power_cut_leaves_no_row_is_wrong_and_missing_ones_are_named(
    killed, data
):
    folder, before = killed
    with tempfile.TemporaryDirectory() as copy:
        for file in folder.glob("journal.db*"):
            shutil.copy(file, copy)
        path = Path(copy) / "journal.db"
        target = data.draw(st.sampled_from([path, path.with_name("journal.db-wal")]))
        size = target.stat().st_size
        how = data.draw(st.sampled_from(["bit", "zeroed", "torn", "cut", "noise"]))
        at = data.draw(st.integers(0, 10**6 - 1)) * size // 10**6
        if how == "bit":
            content = target.read_bytes()[at] ^ (1 << data.draw(st.integers(0, 7)))
            damage(target, at, bytes([content]))
        elif how == "cut":
            with target.open("r+b") as file:
                file.truncate(at)
        elif how == "noise":
            damage(target, at, data.draw(st.binary(min_size=1, max_size=300)))
        else:
            start = at // PAGE * PAGE
            part = PAGE if how == "zeroed" else data.draw(st.integers(1, 7)) * 512
            damage(target, start, bytes(min(part, size - start)))
        incidents = repaired(path)
        missing = 0
        with reading(path) as reader:
            for kind in KINDS:
                rows = {row[-1]: row[:-1] for row in reader.rows(kind, 0, 10**6)}
                good = {i: row for i, row in rows.items() if i not in reader.damaged}
                assert good.items() <= before[kind].items()
                missing += len(before[kind].keys() - rows.keys())
        in_file = target == path
        if in_file and not any("not known" in text for text in incidents):
            assert missing <= lost_rows(incidents)
