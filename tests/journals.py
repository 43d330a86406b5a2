"""Rows for journals, and what a journal has stored, for the tests of the journal."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing, contextmanager

from sensorml.storage.journal import Journal
from sensorml.storage.reader import Reader, row_id
from sensorml.storage.tables import ADDED, KINDS

EVENT = (10, "sensor", "motor", "stale", "ok", "no data for 2 s", 2.0)


def prediction(score=0.5, state="normal", start_ns=1):
    return (
        *(start_ns, start_ns + 1, "motor", "m", "1", "cpu", score, 1.0, state, 1.0),
        *(1, 2, 3, 4, 5, 0, "", math.nan),
    )


SENSOR = (1, 2, "motor", "ok", math.nan, 0, 0, 0, 0, 0, 0, 3)


def settle(journal):
    """Let a journal do all its maintenance."""
    while journal.maintain():
        pass


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


def made_by_version(version, path):
    """Write the journal of an older version: three events, of which two are sent."""
    with closing(Journal.open(path)) as journal:
        journal.append({"event": [EVENT] * 3})
        journal.acknowledge("plant", "event", 2)
    with closing(sqlite3.connect(path)) as db:
        for kind in KINDS:
            for column in ADDED:
                db.execute(f"ALTER TABLE {kind} DROP COLUMN {column}")
        known = {"prediction", "alarm", "event", "timing", "offset"}
        if version >= 2:
            known.add("sensor")
        if version >= 3:
            known.add("letter")
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table not in known:
                db.execute(f"DROP TABLE {table}")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
