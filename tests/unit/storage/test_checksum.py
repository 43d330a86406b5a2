"""Checksums of rows: every flipped bit is found, and a step of the clock is none."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import EVENT, SENSOR, prediction, reading, stored

from sensorml.storage.checksum import checksums, is_intact
from sensorml.storage.journal import Journal
from sensorml.storage.tables import COLUMNS, TYPES

ALARM = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, 1.0)
TIMING = (1, 2, "motor", "m", "cpu", "invoke", 9, 1, 2, 3, 4)
ROWS = {
    "prediction": prediction(),
    "alarm": ALARM,
    "event": EVENT,
    "timing": TIMING,
    "sensor": SENSOR,
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def change(path, sql):
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
        db.commit()


@pytest.mark.parametrize("kind", ROWS)
def test_a_change_of_any_value_is_found_and_of_no_other_row(path, kind):
    for column in COLUMNS[kind]:
        with closing(Journal.open(path)) as journal:
            first = journal.last_ids()[kind] + 1
            journal.append({kind: [ROWS[kind]] * 3})
        values = {"INTEGER": "7777", "REAL": "0.25", "TEXT": "'x'"}
        value = values[TYPES[kind][column]]
        change(path, f"UPDATE {kind} SET {column} = {value} WHERE id = {first + 1}")
        with reading(path) as reader:
            assert len(reader.rows(kind, first - 1, 10)) == 3
            assert reader.damaged == {first + 1}, column


def test_a_row_under_another_id_is_damaged(path):
    with closing(Journal.open(path)) as journal:
        journal.append({"event": [EVENT] * 3})
    change(path, "UPDATE event SET id = 9 WHERE id = 2")
    with reading(path) as reader:
        reader.rows("event", 0, 10)
        assert reader.damaged == {9}


@given(bit=st.integers(0, 63), id_=st.integers(1, 1 << 40))
def test_every_bit_of_an_instant_counts(bit, id_):
    row = (1_700_000_000_000_000_000, *EVENT[1:], id_)
    [crc] = checksums("event", [row])
    flipped = ((row[0] ^ (1 << bit)) & ((1 << 63) - 1), *row[1:])
    assert is_intact("event", row, crc)
    assert is_intact("event", flipped, crc) == (flipped == row)


def test_a_row_of_another_kind_with_the_same_values_is_damaged():
    row = (*TIMING, 1)
    [crc] = checksums("timing", [row])
    assert not is_intact("sensor", row, crc)


@given(delta_ns=st.integers(-(10**17), 10**17))
def test_moved_rows_are_intact_and_a_damaged_one_stays_damaged(
    tmp_path_factory, delta_ns
):
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    with closing(Journal.open(path)) as journal:
        journal.append({kind: [row] * 3 for kind, row in ROWS.items()})
        change(path, "UPDATE event SET detail = 'flipped' WHERE id = 2")
        journal.restamp(delta_ns, {})
    assert stored(path, "alarm")[0][1][0] == ALARM[0] + delta_ns
    with reading(path) as reader:
        for kind in ROWS:
            assert len(reader.rows(kind, 0, 10)) == 3
            assert reader.damaged == ({2} if kind == "event" else set())


def test_rows_without_a_checksum_are_believed(path):
    with closing(Journal.open(path)) as journal:
        journal.append({"event": [EVENT] * 3})
    change(path, "UPDATE event SET crc = NULL, detail = 'older'")
    with reading(path) as reader:
        assert len(reader.rows("event", 0, 10)) == 3
        assert not reader.damaged
