"""Rows that are wrong, out of order or no rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from logged_table import X, is_signal, refusal, table

from sensorml.recordings import read
from sensorml.recordings.tables import parsing


def timed(values: list[str] = X) -> list[str]:
    return [f"{i / 100:.2f},{value}" for i, value in enumerate(values)]


def test_lines_that_are_no_rows_are_counted(tmp_path: Path):
    lines = timed()
    lines[50:50] = ["", "t,x", "# paused"]
    text = "t,x\n" + "\n".join(lines) + "\n2.00,0.1"[:6]
    recording = read(table(tmp_path / "a.csv", text))
    assert is_signal(recording, X)
    assert "1 blank" in recording.notes[1]
    assert "1 repeated header" in recording.notes[1]
    assert "1 half a row at the end" in recording.notes[1]


def test_a_last_value_that_is_cut_is_left_out(tmp_path: Path):
    text = "t,x\n" + "\n".join(timed()) + "\n2.00,0.1"
    recording = read(table(tmp_path / "a.csv", text))
    assert is_signal(recording, X)
    assert "1 half a row at the end" in recording.notes[1]


def test_a_first_row_that_is_wrong_is_no_header(tmp_path: Path):
    lines = timed()
    path = table(tmp_path / "a.csv", "\n".join(["t,x,y", *(f"{v},1.5" for v in lines)]))
    text = path.read_text().replace(f"0.00,{X[0]},1.5", "0.00,unavailable,1.5")
    recording = read(table(path, text))
    assert recording.channels == ("x", "y")
    assert recording.samples[:, 0].tolist() == np.float32(X[1:]).tolist()
    assert "row 1 has 'unavailable' in 'x'" in recording.notes[1]


def test_a_tail_of_nul_bytes_is_left_out(tmp_path: Path):
    text = "t,x\n" + "\n".join(timed()) + "\n" + "\0" * 4096
    recording = read(table(tmp_path / "a.csv", text))
    assert is_signal(recording, X)
    assert "NUL" in recording.notes[1]


def test_a_wrong_row_is_a_gap_and_reported(tmp_path: Path):
    lines = timed()
    lines[50] = "0.50,ERR"
    recording = read(table(tmp_path / "a.csv", "t,x\n" + "\n".join(lines)))
    assert is_signal(recording, X[:50] + X[51:])
    assert "1 wrong (row 51 has 'ERR' in 'x')" in recording.notes[1]
    assert [s.missed for s in recording.segments] == [0, 1]
    untimed = [line.split(",")[1] for line in lines]
    recording = read(table(tmp_path / "b.csv", "x\n" + "\n".join(untimed)), rate_hz=100)
    assert [s.missed for s in recording.segments] == [0, 1]


def test_many_wrong_rows_are_refused_with_the_first_three(tmp_path: Path):
    lines = timed()
    for i in (20, 40, 60, 80):
        lines[i] = f"{i / 100:.2f},1.0,2.0"
    message = refusal(table(tmp_path / "a.csv", "t,x\n" + "\n".join(lines)))
    assert (
        "4 of 200 rows are wrong (row 21 has 3 fields instead of 2; row 41" in message
    )
    assert "row 81" not in message


def test_a_swapped_pair_is_sorted(tmp_path: Path):
    lines = timed()
    lines[50], lines[51] = lines[51], lines[50]
    recording = read(table(tmp_path / "a.csv", "t,x\n" + "\n".join(lines)))
    assert is_signal(recording, X)
    assert "sorted: 1" in recording.notes[1]


def test_two_logs_in_one_file_are_two_segments(tmp_path: Path):
    lines = timed()
    recording = read(
        table(tmp_path / "a.csv", "t,x\n" + "\n".join(lines[100:] + lines[:100]))
    )
    assert is_signal(recording, X[100:] + X[:100])
    assert [s.first for s in recording.segments] == [0, 100]
    assert "time goes back 1 time" in recording.notes[1]


def test_the_hour_that_comes_twice_is_a_new_segment(tmp_path: Path):
    hour = [f"2024-10-27 02:{m:02d}:00,{X[m]}" for m in range(60)]
    recording = read(table(tmp_path / "a.csv", "\n".join(["time,x", *hour, *hour])))
    assert [s.first for s in recording.segments] == [0, 60]
    assert recording.rate_hz == pytest.approx(1 / 60)


@pytest.mark.parametrize("polars", [True, False])
def test_a_table_longer_than_a_chunk_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polars: bool
):
    if polars:
        pytest.importorskip("polars", reason="polars is not installed")
    else:
        monkeypatch.setattr(parsing, "find_spec", lambda _name: None)
    count = 400_000
    values = np.round(np.random.default_rng(1).normal(0, 1, count), 5)
    lines = [f"{i / 1000:.3f};{v:.5f}" for i, v in enumerate(values.tolist())]
    lines[300_000] = "300.000;oops;1"
    lines[350_000:350_000] = ["", "t;x"]
    path = table(tmp_path / "a.csv", ("t;x\n" + "\n".join(lines)).replace(".", ","))
    recording = read(path)
    assert np.array_equal(
        recording.samples[:, 0], np.delete(values, 300_000).astype(np.float32)
    )
    assert [s.first for s in recording.segments if s.missed] == [300_000]
    assert "row 300001 has 3 fields" in recording.notes[1]
