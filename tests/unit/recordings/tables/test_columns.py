"""Columns that are channels: their names, units and decimal marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from logged_table import X, Y, is_signal, refusal, rows, table

from sensorml.recordings import TableOptions, read


def test_names_in_quotes_may_hold_the_separator(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        '"t","acc, x","y"\n' + rows(lambda i: f'"{i / 100}"', [f'"{v}"' for v in X], Y),
    )
    recording = read(path)
    assert recording.channels == ("acc, x", "y")
    assert is_signal(recording, X, Y)
    assert is_signal(read(path, channels=["acc, x"]), X)


def test_a_row_of_units_is_below_the_header(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "Time;x;y\n(ms);(mg);(g)\n" + rows(lambda i: 10 * i, X, Y, separator=";"),
    )
    recording = read(path)
    assert recording.unit == "mg"
    assert recording.rate_hz == pytest.approx(100)
    assert (
        recording.samples[:, 0].tolist() == np.float32([float(v) for v in X]).tolist()
    )
    assert recording.samples[:, 1] == pytest.approx([1000 * float(v) for v in Y])


def test_channels_name_the_columns_of_a_file_without_header(tmp_path: Path):
    path = table(tmp_path / "a.csv", rows(X, Y))
    assert read(path, rate_hz=50, channels=["u", "v"]).channels == ("u", "v")
    assert is_signal(read(path, rate_hz=50, channels=["ch2"]), Y)
    assert "2 channels, and 3 names" in refusal(
        path, rate_hz=5, channels=["a", "b", "c"]
    )


def test_a_header_that_numbers_its_columns_is_no_row(tmp_path: Path):
    path = table(tmp_path / "a.csv", "0,1\n" + rows(X, Y))
    assert is_signal(read(path, rate_hz=50), X, Y)


def test_both_columns_with_decimal_commas_are_channels(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "timestamp;x;rpm\n"
        + rows(
            lambda i: f"2024-01-01 00:00:{i // 100:02d},{i % 100:02d}",
            [v.replace(".", ",") for v in X],
            [v.replace(".", ",") for v in Y],
            separator=";",
        ),
    )
    recording = read(path)
    assert recording.channels == ("x", "rpm")
    assert is_signal(recording, X, Y)
    assert recording.rate_hz == pytest.approx(100)


def test_a_temperature_called_t_is_a_channel(tmp_path: Path):
    path = table(tmp_path / "a.csv", "T,RH\n" + rows(Y, X))
    recording = read(path, rate_hz=1)
    assert recording.channels == ("T", "RH")
    assert is_signal(recording, Y, X)


def test_what_only_rises_is_no_channel_unless_it_is_named(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "t,tick,x\n" + rows(lambda i: i / 100, lambda i: 3 * i + i % 2, X),
    )
    recording = read(path)
    assert recording.channels == ("x",)
    assert "tick (only rises" in recording.notes[1]
    assert read(path, channels=["tick", "x"]).channels == ("tick", "x")


@pytest.mark.parametrize("name", ["sample", "index", "", "#", "No."])
def test_a_counter_is_no_channel(tmp_path: Path, name: str):
    path = table(tmp_path / "a.csv", f"{name},x\n" + rows(lambda i: i, X))
    recording = read(path, rate_hz=100)
    assert recording.channels == ("x",)
    assert "--rate" in refusal(path)


def test_a_long_table_asks_for_a_value(tmp_path: Path):
    text = "entity_id,state,last_changed\n" + rows(
        lambda i: ("sensor.pump", "sensor.hall")[i % 2],
        X,
        lambda i: f"2024-01-01T00:00:{i // 2 // 10:02d}.{i // 2 % 10}Z",
    )
    path = table(tmp_path / "a.csv", text)
    message = refusal(path)
    assert "sensor.hall, sensor.pump" in message
    assert "--where entity_id=VALUE" in message
    recording = read(path, table=TableOptions(where={"entity_id": "sensor.hall"}))
    assert is_signal(recording, X[1::2])
    assert recording.rate_hz == pytest.approx(10)
    assert "in none" in refusal(
        path, table=TableOptions(where={"entity_id": "sensor.cat"})
    )


def test_units_are_in_the_names(tmp_path: Path):
    path = table(
        tmp_path / "a.csv", "t,x (m/s^2),y [m/s²]\n" + rows(lambda i: i / 100, X, Y)
    )
    recording = read(path)
    assert (recording.unit, recording.channels) == ("m/s^2", ("x", "y"))


def test_a_column_of_texts_is_left_out(tmp_path: Path):
    path = table(
        tmp_path / "a.csv", "t,x,place\n" + rows(lambda i: i / 100, X, lambda _: "hall")
    )
    assert "place (text)" in read(path).notes[1]


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x,y\n1,2,3\n")
    assert "no channel 'z': choose of t, x, y" in refusal(path, channels=("z",))
