"""The line encoder against a parser written from the specification alone."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorml.storage.journal import Journal
from sensorml.storage.line_protocol import FIELDS, TIME, LineEncoder
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS, KINDS, TAGS, TYPES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "INTEGER": INT64 | st.booleans() | INT64.map(np.int64),
    "REAL": st.none() | st.floats() | st.floats(width=32).map(np.float32),
    "TEXT": st.none() | TEXT,
}


def rows_of(kind: str) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(
        *(INT64 if c == TIME[kind] else VALUES[TYPES[kind][c]] for c in COLUMNS[kind])
    )


def split(text: str, separator: str, *, quotes: bool = False) -> list[str]:
    """Split at separators that are neither escaped nor inside a quoted string."""
    parts, quoted, i = [""], False, 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text):
            parts[-1] += text[i : i + 2]
            i += 2
            continue
        quoted ^= quotes and text[i] == '"'
        if text[i] == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += text[i]
        i += 1
    return parts


def unescape(text: str, special: str) -> str:
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] and text[i + 1] in special:
            i += 1
        out += text[i]
        i += 1
    return out


def value_of(text: str) -> object:
    if text.startswith('"'):
        return unescape(text[1:-1], '"\\')
    return int(text[:-1]) if text.endswith("i") else float(text)


def parse(line: str) -> tuple[str, dict[str, str], dict[str, object], int]:
    """Parse one line by the specification."""
    head, fields, time = _words(line)
    measurement, *tags = _unescaped_split(head, ",")
    pairs = (_unescaped_split(tag, "=") for tag in tags)
    cells = (split(cell, "=", quotes=True) for cell in split(fields, ",", quotes=True))
    return (
        measurement,
        {name: unescape(value, ", =") for name, value in pairs},
        {name: value_of("=".join(value)) for name, *value in cells},
        int(time),
    )


def _words(line: str) -> tuple[str, str, str]:
    head = _unescaped_split(line, " ")[0]
    fields, time = split(line[len(head) + 1 :], " ", quotes=True)
    return head, fields, time


def _unescaped_split(text: str, separator: str) -> list[str]:
    """Outside strings a separator counts unless a backslash stands before it."""
    parts = [""]
    for before, char in zip(" " + text, text, strict=False):
        if char == separator and before != "\\":
            parts.append("")
        else:
            parts[-1] += char
    return parts


def bare(text: object) -> str:
    return "" if text is None else " ".join(re.split("[\n\r\0]", str(text)))


def as_tag(text: object) -> str:
    clean = bare(text)
    end = clean.rstrip("\\")
    return end + " " * (len(clean) - len(end))


def as_field(value: object, type_: str) -> object:
    """Return the value that the line should have, or None for no field."""
    if value is None or value == "":
        return None
    if type_ == "REAL":
        return float(value) if math.isfinite(value) else None
    return int(value) if type_ == "INTEGER" else bare(value)


def written(kind, rows, tags):
    """Append rows to a journal and read them back as lines."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "journal.db")
        reader = Reader.open(journal.path)
        try:
            journal.append({kind: rows})
            stored = reader.rows(kind, 0, len(rows))
        finally:
            reader.close()
            journal.close()
    text = LineEncoder(tags).encode(kind, stored).decode()
    return text.split("\n") if text else []


def expected(kind: str, row: tuple[object, ...], tags: dict[str, str]):
    values = dict(zip(COLUMNS[kind], row, strict=True))
    all_tags = tags | {name: values[name] for name in TAGS[kind]}
    fields = {name: as_field(values[name], TYPES[kind][name]) for name in FIELDS[kind]}
    return (
        kind,
        {name: as_tag(text) for name, text in all_tags.items() if as_tag(text)},
        {name: value for name, value in fields.items() if value is not None},
        values[TIME[kind]],
    )


@given(st.data(), st.sampled_from(KINDS), TEXT)
def test_a_parser_reads_back_exactly_what_was_written(data, kind, device):
    rows = data.draw(st.lists(rows_of(kind), min_size=1, max_size=4))
    tags = {"device": device}

    lines = written(kind, rows, tags)

    parsed = [expected(kind, row, tags) for row in rows]
    assert [parse(line) for line in lines] == [line for line in parsed if line[2]]


@given(st.sampled_from(KINDS), st.data())
def test_a_field_has_one_type_in_every_line(kind, data):
    kinds_of = {"INTEGER": int, "REAL": float, "TEXT": str}
    for line in written(kind, [data.draw(rows_of(kind))], {}):
        for name, value in parse(line)[2].items():
            assert type(value) is kinds_of[TYPES[kind][name]]


def test_a_row_without_a_field_is_left_out():
    empty = (5, *[None] * 8)
    full = (6, "bad", *[None] * 5, 2.0, None)
    assert written("alarm", [empty, full], {}) == ["alarm,alarm=bad score=2.0 6"]
    assert written("alarm", [empty], {}) == []


def test_a_number_that_is_not_finite_drops_the_field_and_not_the_row():
    row = (7, "a", "", "", "alarm", "normal", "100 % – %d", math.nan, math.inf)
    assert written("alarm", [row], {}) == [
        'alarm,alarm=a state="alarm",previous="normal",reason="100 % – %d" 7'
    ]
