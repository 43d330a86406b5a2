"""Rows for journals, and what a journal has stored, for the tests of the journal."""

from __future__ import annotations

import math
from contextlib import contextmanager

from sensorml.storage.reader import Reader, row_id

EVENT = (10, "sensor", "motor", "stale", "ok", "no data for 2 s", 2.0)


def prediction(score=0.5, state="normal", start_ns=1):
    return (
        *(start_ns, start_ns + 1, "motor", "m", "1", "cpu", score, 1.0, state, 1.0),
        *(1, 2, 3, 4, 5, 0, "", math.nan),
    )


SENSOR = (1, 2, "motor", "ok", math.nan, 0, 0, 0, 0, 0, 0, 3)


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
