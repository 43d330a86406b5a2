"""The encoder against a parser of its own, which knows only the specification."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.storage.journal import Journal
from sensorml.storage.line_protocol import FIELDS, TAGS, TIME, Lines
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS, KINDS, storage

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
# What SQLite prints to the last bit; beyond, see the module's docstring.
FLOATS = st.floats(-1e100, 1e100) | st.sampled_from([math.nan, math.inf, -math.inf])
VALUES = {
    "INTEGER": INT64 | st.booleans() | INT64.map(np.int64),
    "REAL": st.none() | FLOATS | st.floats(width=32).map(np.float32),
    "TEXT": st.none() | TEXT,
}


def rows_of(kind: str) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(
        *(INT64 if c == TIME[kind] else VALUES[storage(c)] for c in COLUMNS[kind])
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
    """Read one line as the specification has it."""
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
    said = bare(text)
    end = said.rstrip("\\")
    return end + " " * (len(said) - len(end))


def as_field(value: object, column: str) -> object:
    """Return what the line should say, or None for nothing."""
    if value is None or value == "":
        return None
    if storage(column) == "REAL":
        return float(value) if math.isfinite(value) else None
    return int(value) if storage(column) == "INTEGER" else bare(value)


def written(kind, batches, tags):
    """Append batches of rows to a journal and read them back as lines."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "journal.db")
        reader = Reader.open(journal.path, Lines(tags))
        try:
            last_id, texts = 0, []
            for rows in batches:
                journal.append({kind: rows})
                batch = reader.batch(kind, last_id, len(rows))
                last_id = batch.last_id
                [(text,)] = batch.rows
                texts += text.split("\n") if text else []
            return texts
        finally:
            reader.close()
            journal.close()


def expected(kind: str, row: tuple[object, ...], tags: dict[str, str]):
    values = dict(zip(COLUMNS[kind], row, strict=True))
    all_tags = tags | {name: values[name] for name in TAGS[kind]}
    fields = {name: as_field(values[name], name) for name in FIELDS[kind]}
    return (
        kind,
        {name: as_tag(text) for name, text in all_tags.items() if as_tag(text)},
        {name: value for name, value in fields.items() if value is not None},
        values[TIME[kind]],
    )


@given(st.data(), st.sampled_from(KINDS), TEXT)
def test_a_parser_reads_back_exactly_what_was_put_in(data, kind, device):
    rows = data.draw(st.lists(rows_of(kind), min_size=1, max_size=4))
    tags = {"device": device}

    lines = written(kind, [rows], tags)

    wanted = [expected(kind, row, tags) for row in rows]
    assert [parse(line) for line in lines] == [w for w in wanted if w[2]]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=20)
def test_a_format_in_demand_writes_the_same_line_as_one_that_is_asked_for(kind, data):
    some = data.draw(st.lists(rows_of(kind), min_size=1, max_size=3))
    many = some * 150  # often enough for cases of their own
    lines = written(kind, [many, many, some], {"device": "pi"})
    assert lines == lines[: len(lines) // 301] * 301


def test_cases_for_formats_come_and_are_bounded():
    lines = Lines({})
    _, ask = lines.functions["timing_format"]
    for sensor in range(20):
        for _ in range(200):
            ask(str(sensor), "m", "cpu", "invoke")
    [sql] = lines.columns("timing")
    assert sql.count("WHEN") == 8
    assert "sensor IS '19'" in sql


@given(st.sampled_from(KINDS), st.data())
def test_a_field_has_one_type_for_ever(kind, data):
    kinds_of = {"INTEGER": int, "REAL": float, "TEXT": str}
    for line in written(kind, [[data.draw(rows_of(kind))]], {}):
        for name, value in parse(line)[2].items():
            assert type(value) is kinds_of[storage(name)]


def test_a_row_without_a_field_is_left_out():
    empty = (5, *[None] * 8)
    full = (6, "bad", *[None] * 5, 2.0, None)
    assert written("alarm", [[empty, full]], {}) == ["alarm,alarm=bad score=2.0 6"]
    assert written("alarm", [[empty]], {}) == []


def test_what_a_float_cannot_say_drops_the_field_and_not_the_row():
    row = (7, "a", "", "", "alarm", "normal", "100 % – %d", math.nan, math.inf)
    assert written("alarm", [[row]], {}) == [
        'alarm,alarm=a state="alarm",previous="normal",reason="100 % – %d" 7'
    ]
