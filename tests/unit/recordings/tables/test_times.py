"""Columns that are the time: their units, dates, clocks and counters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from logged_table import NOON, X, refusal, rows, table

from sensorml.recordings import TableOptions, read


def tone(i: int) -> str:
    return f"{np.sin(2 * np.pi * 13 * i / 100) + 0.1 * np.sin(i * i):.5f}"


def test_epochs_in_ms_are_read_exactly(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "epoch_ms,x\n" + rows(lambda i: 1_700_000_000_000 + 10 * i, tone),
    )
    for rate_hz in (100, None):
        recording = read(path, rate_hz=rate_hz)
        assert recording.channels == ("x",)
        assert recording.rate_hz == pytest.approx(100)
        assert abs(recording.start_ns - NOON) < 100


def test_ms_from_zero_are_what_the_rate_says(tmp_path: Path):
    path = table(tmp_path / "a.csv", "timestamp,x\n" + rows(lambda i: 10 * i, tone))
    assert read(path, rate_hz=100).rate_hz == pytest.approx(100)
    assert "0.1 Hz in s, 100 Hz in ms" in refusal(path)
    assert read(path, table=TableOptions(time_unit="ms")).rate_hz == pytest.approx(100)
    assert read(path, table=TableOptions(time_unit="s")).rate_hz == pytest.approx(0.1)
    assert "--rate 7 fits none" in refusal(path, rate_hz=7)


CLOCKS = {
    "Time (s)": (lambda i: f"{i / 100}", {}),
    "seconds_elapsed": (lambda i: f"{i / 100}", {}),
    "Milliseconds": (lambda i: 10 * i, {}),
    "elapsed_us": (lambda i: 10_000 * i, {}),
    "timestamps": (lambda i: f"{1_700_000_000 + i / 100:.2f}", {}),
    "X_Value": (lambda i: f"{i / 100}", {}),
    "Zeit [s]": (lambda i: f"{i / 100}", {}),
    "Time (min)": (lambda i: f"{i / 6000:.7f}", {}),
    "Date ": (lambda i: f"{45_000 + i / 8_640_000:.10f}", {}),
    "datenum": (lambda i: f"{739_000 + i / 8_640_000:.11f}",
                {"time": "datenum", "time_unit": "matlab"}),
    "stamp": (lambda i: 10 * i, {"time": "stamp", "time_unit": "ms"}),
    "clock": (lambda i: f"23:59:{59 + i // 100 - 60 * (i >= 100):02d}.{i % 100:02d}"
              if i < 100 else f"00:00:{i // 100 - 1:02d}.{i % 100:02d}", {}),
    "Date (dd/mm/yyyy)": (lambda i: f"01/02/2024 10:00:0{i // 100}.{i % 100:02d}", {}),
    "date": (lambda i: f"01/02/2024 10:00:0{i // 100}.{i % 100:02d}",
             {"time_unit": "mdy"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOCKS)
def test_a_column_is_the_time(tmp_path: Path, name: str):
    form, options = CLOCKS[name]
    path = table(tmp_path / "a.csv", f"{name},x\n" + rows(form, X))
    recording = read(path, table=TableOptions(**options))
    assert recording.channels == ("x",)
    assert recording.rate_hz == pytest.approx(100, rel=1e-3)
    assert len(recording.segments) == 1


def test_day_and_month_are_a_question_where_nothing_decides(tmp_path: Path):
    path = table(tmp_path / "a.csv", "date,x\n" + rows(CLOCKS["date"][0], X))
    assert "may be day or month first" in refusal(path)


def test_date_and_time_in_two_columns_are_one(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "Date,Time,x\n"
        + rows(lambda _: "20.03.2024", lambda i: f"10:00:0{i // 100}.{i % 100:02d}", X),
    )
    recording = read(path)
    assert recording.channels == ("x",)
    assert recording.start_ns == 1_710_928_800 * 10**9
    assert recording.rate_hz == pytest.approx(100)


def test_hours_minutes_and_seconds_in_columns_are_one(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "h,m,s,us,x\n"
        + rows(
            lambda _: 10,
            lambda _: 59,
            lambda i: 58 + i // 100,
            lambda i: i % 100 * 10_000,
            X,
        ),
    )
    recording = read(path)
    assert recording.channels == ("x",)
    assert recording.rate_hz == pytest.approx(100)


def test_the_finer_clock_is_taken_and_the_other_left_out(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "datetime,millis,x\n"
        + rows(lambda i: f"2024-01-01 00:00:{i // 100:02d}", lambda i: 10 * i, X),
    )
    recording = read(path)
    assert recording.rate_hz == pytest.approx(100)
    assert "datetime (a second clock beside millis)" in recording.notes[1]


def test_a_rate_that_contradicts_the_times_is_refused(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x\n" + rows(lambda i: i / 100, X))
    assert "its times say 100 Hz and --rate says 50 Hz" in refusal(path, rate_hz=50)


def test_an_uneven_pace_is_resampled_and_no_row_is_called_lost(tmp_path: Path):
    t = np.cumsum(0.01 + np.random.default_rng(2).exponential(0.002, 2000))
    tone = np.sin(2 * np.pi * 3 * t)
    text = "".join(f"{a:.5f},{b:.5f}\n" for a, b in zip(t, tone, strict=True))
    recording = read(table(tmp_path / "a.csv", "t,x\n" + text))
    assert len(recording.segments) == 1
    assert recording.rate_hz == pytest.approx(1999 / (t[-1] - t[0]), rel=1e-4)
    even = t[0] + np.arange(2000) / recording.rate_hz
    assert recording.samples[:, 0] == pytest.approx(np.sin(6 * np.pi * even), abs=0.03)
    assert "uneven pace" in recording.notes[1]


def test_one_row_needs_a_rate(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x\n12.5,1\n")
    assert "--rate" in refusal(path)
    recording = read(path, rate_hz=5)
    assert (recording.rate_hz, recording.start_ns) == (5, 12_500_000_000)
