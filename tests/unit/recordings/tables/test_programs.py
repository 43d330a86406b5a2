"""Tables of LabVIEW, InfluxDB, serial logs and our own export."""

from __future__ import annotations

from pathlib import Path

import pytest
from logged_table import NOON, N, X, Y, is_signal, refusal, rows, table

from sensorml.recordings import TableOptions, read

LVM = (
    "LabVIEW Measurement\t\nWriter_Version\t2\nReader_Version\t2\nSeparator\tTab\n"
    "Decimal_Separator\t.\nMulti_Headings\tNo\nX_Columns\tOne\nTime_Pref\tRelative\n"
    "Operator\tann\nDate\t2024/03/20\nTime\t10:00:00.5\n***End_of_Header***\t\n\t\n"
    "Channels\t2\t\t\nSamples\t200\t200\t\nDate\t2024/03/20\t2024/03/20\t\n"
    "Time\t10:00:00.5\t10:00:00.5\t\nX_Dimension\tTime\tTime\t\nX0\t0.0\t0.0\t\n"
    "Delta_X\t0.010000\t0.010000\t\n***End_of_Header***\t\t\t\n"
    "X_Value\tVibration\tVibration 1\tComment\n"
)


def test_a_labview_file_is_read_below_its_headers(tmp_path: Path):
    path = table(
        tmp_path / "a.lvm", LVM + rows(lambda i: f"{i / 100:.6f}", X, Y, separator="\t")
    )
    recording = read(path)
    assert recording.channels == ("Vibration", "Vibration 1")
    assert recording.rate_hz == pytest.approx(100)
    assert is_signal(recording, X, Y)


def test_a_labview_file_without_times_has_the_rate_of_its_header(tmp_path: Path):
    path = table(tmp_path / "a.lvm", LVM + rows(lambda _: "", X, Y, separator="\t"))
    recording = read(path)
    assert recording.channels == ("Vibration", "Vibration 1")
    assert recording.rate_hz == pytest.approx(100)
    assert "Delta_X" not in refusal(path, rate_hz=50)
    assert "its header says 100 Hz and --rate says 50" in refusal(path, rate_hz=50)


ANNOTATED = (
    "#group,false,false,true,true,false,false,true,true\n"
    "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,"
    "string,string\n#default,_result,,,,,,,\n"
    ",result,table,_start,_stop,_time,_value,_field,_measurement\n"
)


def influx(i: int, field: str, value: str) -> str:
    stamp = f"2023-11-14T22:13:{20 + i // 100}.{i % 100:02d}Z"
    ends = "2023-11-14T22:00:00Z,2023-11-14T23:00:00Z"
    return f",,0,{ends},{stamp},{value},{field},vibration\r\n"


def test_annotated_csv_of_influxdb_2_is_its_values(tmp_path: Path):
    body = "".join(influx(i, "x", X[i]) for i in range(N))
    recording = read(table(tmp_path / "a.csv", ANNOTATED + body + "\r\n"))
    assert recording.channels == ("_value",)
    assert is_signal(recording, X)
    assert (recording.start_ns, recording.rate_hz) == (NOON, pytest.approx(100))
    assert "table (InfluxDB's own)" in recording.notes[1]


def test_two_fields_of_influxdb_are_a_question(tmp_path: Path):
    """The second follows long after the first: its rows must not join them."""
    first = "".join(influx(i, "x", X[i]) for i in range(N)) * 40
    second = "".join(influx(i, "y", Y[i]) for i in range(N))
    path = table(tmp_path / "a.csv", ANNOTATED + first + "\r\n" + ANNOTATED + second)
    assert "(x, y): choose one with --where _field=VALUE" in refusal(path)
    recording = read(path, table=TableOptions(where={"_field": "y"}))
    assert is_signal(recording, Y)


def test_the_exports_of_influxdb_1_and_3_are_read(tmp_path: Path):
    v1 = "name,tags,time,x,y\n" + rows(
        lambda _: "vibration", lambda _: "", lambda i: NOON + 10_000_000 * i, X, Y
    )
    v3 = "device,time,x,y\n" + rows(
        lambda _: "pump",
        lambda i: f"2023-11-14T22:13:{20 + i // 100}.{i % 100:02d}",
        X,
        Y,
    )
    for text in (v1, v3):
        recording = read(table(tmp_path / "a.csv", text))
        assert recording.channels == ("x", "y")
        assert recording.start_ns == NOON
        assert recording.rate_hz == pytest.approx(100)
        assert is_signal(recording, X, Y)


def test_our_own_export_has_one_clock_and_no_counter(tmp_path: Path):
    text = "id,start_ns,end_ns,sensor,score\n" + rows(
        lambda i: i + 1,
        lambda i: NOON + 10_000_000 * i,
        lambda i: NOON + 10_000_000 * i + 5_120_000,
        lambda _: "pump",
        X,
    )
    recording = read(table(tmp_path / "a.csv", text))
    assert recording.channels == ("score",)
    assert recording.rate_hz == pytest.approx(100)
    assert "id (a counter)" in recording.notes[1]
    assert "end_ns (a second clock beside start_ns)" in recording.notes[1]


def test_a_serial_log_with_one_label_is_its_numbers(tmp_path: Path):
    path = table(tmp_path / "a.log", rows(lambda _: "S1:", X, Y, separator=" "))
    recording = read(path, rate_hz=50)
    assert recording.channels == ("ch1", "ch2")
    assert is_signal(recording, X, Y)
