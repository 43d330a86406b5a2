"""The output of `sensorml export`, as CSV and as JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys

import pytest

from sensorml.cli import main
from sensorml.commands import export
from sensorml.storage.journal import Journal
from sensorml.storage.tables import COLUMNS

EVENT = (10, "sensor", "motor", "stale", "ok", 'said "no, data"\nfor 2 s', 2.0)
ALARM = (5, "bad", "motor", "m", "alarm", "normal", "3 of 5", 2.0, math.inf)
PREDICTION = (
    *(1, 2, "motor", "m", "1", "cpu", math.nan, 1.0, "unknown", 0.5),
    *(1, 2, 3, 4, 5, 0, "", math.nan),
)
SENSOR = (1, 2, "motor", "absent", math.nan, 0, 0, 0, 0, 0, 0, 3)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "journal.db"
    journal = Journal.open(path)
    journal.append(
        {
            "event": [EVENT],
            "alarm": [ALARM],
            "prediction": [PREDICTION] * 12_000,
            "sensor": [SENSOR],
        }
    )
    yield path
    journal.close()


def run(*words):
    return main(["export", *(str(word) for word in words)])


def test_predictions_as_csv_are_the_default_and_the_service_may_go_on(store, capsys):
    assert run("--store", store) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["id", *COLUMNS["prediction"]]
    assert [int(row[0]) for row in rows] == list(range(1, 12_001))
    assert dict(zip(header, rows[0], strict=True))["score"] == ""


def test_the_counts_of_sensors_are_a_kind(store, capsys):
    assert run("--store", store, "--kind", "sensors") == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["sensor"], row["state"], row["rate_hz"]) == ("motor", "absent", "")
    assert (row["missed"], row["failures"]) == ("0", "3")


def test_text_with_quotes_and_line_breaks_is_unchanged_in_csv(store, capsys):
    assert run("--store", store, "--kind", "events") == 0
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["id", *COLUMNS["event"]]
    assert row == ["1", *map(str, EVENT)]


def test_several_kinds_share_a_table_with_a_column_for_the_kind(store, capsys):
    assert run("--store", store, "--kind", "alarms,events") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["kind"] for row in rows] == ["alarm", "event"]
    assert [row["event"] for row in rows] == ["", "sensor"]
    assert [row["alarm"] for row in rows] == ["bad", ""]
    assert [row["time_ns"] for row in rows] == ["5", "10"]


def test_json_lines_have_kind_and_id_and_null_for_nan(store, capsys):
    assert run("--store", store, "--kind", "alarms,events", "--format", "jsonl") == 0
    alarm, event = map(json.loads, capsys.readouterr().out.splitlines())
    assert alarm == (
        {"kind": "alarm", "id": 1}
        | dict(zip(COLUMNS["alarm"], ALARM, strict=True))
        | {"threshold": None}
    )
    assert (event["kind"], event["event"], event["detail"]) == (
        "event",
        "sensor",
        EVENT[5],
    )


def test_a_file_appears_whole_or_not_at_all(store, tmp_path, monkeypatch):
    out = tmp_path / "out" / "alarms.csv"
    out.parent.mkdir()
    out.write_text("old")

    def broken(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export, "_rows", broken)
        assert run("--store", store, "--kind", "alarms", "--out", out) == 1
    assert out.read_text() == "old"
    assert run("--store", store, "--kind", "alarms", "--out", out) == 0
    assert out.read_text().startswith("id,time_ns,alarm")
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("content", [None, b"", b"garbage " * 100])
def test_a_file_that_is_no_journal_is_an_error(tmp_path, capsys, content):
    path = tmp_path / "some.db"
    if content is not None:
        path.write_bytes(content)
    assert run("--store", path) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert str(path) in said.err
    assert len(said.err.splitlines()) == 1


def test_an_unknown_kind_is_wrong_usage(store, capsys):
    with pytest.raises(SystemExit) as exit_:
        run("--store", store, "--kind", "alarms,moods")
    assert exit_.value.code == 2
    assert "moods" in capsys.readouterr().err


def test_a_reader_that_closes_the_pipe_is_no_error(store):
    child = subprocess.Popen(
        [sys.executable, "-m", "sensorml", "export", "--store", store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        os.read(child.stdout.fileno(), 10)
        child.stdout.close()
        said = child.stderr.read()
    assert said == b""
    assert child.returncode == 0
