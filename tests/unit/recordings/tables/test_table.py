"""Tables as loggers write them: columns, times, rows that are wrong, and refusals."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sensorml.errors import RecordingError
from sensorml.recordings import Recording, TableOptions, read
from sensorml.recordings.tables import parsing

NOON = 1_700_000_000_000_000_000
N = 200
RNG = np.random.default_rng(7)
X = [f"{v:.4f}" for v in RNG.normal(0, 1, N)]
Y = [f"{v:.3f}" for v in RNG.normal(9.8, 1, N)]


def table(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(*columns: object, separator: str = ",") -> str:
    """Return lines of columns: lists of texts, or functions of the row's number."""
    lines = []
    for i in range(N):
        fields = [c(i) if callable(c) else c[i] for c in columns]
        lines.append(separator.join(str(field) for field in fields))
    return "\n".join(lines) + "\n"


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def is_signal(recording: Recording, *columns: list[str]) -> bool:
    wanted = np.array([[float(v) for v in c] for c in columns], np.float32).T
    return np.array_equal(recording.samples, wanted)


# Layouts of particular programs


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


def test_a_serial_log_with_one_label_is_its_numbers(tmp_path: Path):
    path = table(tmp_path / "a.log", rows(lambda _: "S1:", X, Y, separator=" "))
    recording = read(path, rate_hz=50)
    assert recording.channels == ("ch1", "ch2")
    assert is_signal(recording, X, Y)


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


def test_decimal_commas_between_commas_are_refused(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "t,x\n"
        + rows(lambda i: f"{i // 100},{i % 100:02d}", [v.replace(".", ",") for v in X]),
    )
    assert "decimal marks and separators at once" in refusal(path)
    bare = rows(lambda i: f"0,{i:04d}")
    assert "decimal marks or separators" in refusal(
        table(tmp_path / "b.csv", bare), rate_hz=1
    )


# The six


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


# Times


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


def test_a_rate_that_contradicts_the_times_is_refused(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x\n" + rows(lambda i: i / 100, X))
    assert "its times say 100 Hz and --rate says 50 Hz" in refusal(path, rate_hz=50)


# Channels


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


# Wrong rows


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


def test_columns_with_different_decimal_marks_are_refused(tmp_path: Path):
    commas = [v.replace(".", ",") for v in X]
    path = table(tmp_path / "a.csv", "x;y\n" + rows(commas, Y, separator=";"))
    assert "export it with one mark" in refusal(path, rate_hz=100)


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


BAD_TABLES = {
    "has a header and no rows": "t,x\n",
    "does not contain the sample rate": "x,y\n1,2\n3,1\n2,2\n",
    "no column of numbers but its times": "t_s,place\n1,hall\n2,hall\n",
    "row 2 has 'hall' in 'x'": "t_s,x\n1,5\n2,hall\n3,5\n",
    "row 1 has '' in 'x'": "t_s,x,y\n1,,5\n2,6,7\n3,8,9\n",
    "row 2 has 'then' in 't_s'": "t_s,x\n1,5\nthen,5\n3,5\n4,6\n",
    "row 2 has 3 fields instead of 2": "t_s,x\n1,5\n2,6,7\n3,5\n",
    "row 2 has 1 field instead of 2": "t_s,x\n1,5\n2\n3,4\n",
    "row 2 has 'inf' in 'x'": "t_s,x\n1,5\n2,inf\n3,1e999\n4,5\n5,7\n",
    "1 has no time between 1850 and 2096": "t_s,x\n1e17,5\n1e18,5\n",
    "2 has no time between": "t,x\n2023-01-01,5\n3024-01-01,5\n2023-01-02,5\n",
    "2 columns 'x'": "t_s,x,x\n1,5,5\n2,6,6\n",
    "0.0001 Hz in s, 100 Hz in us": "t,x\n1700000000,5\n1700010000,5\n1700020000,5\n",
    "500 Hz in ns": "time,x\n0,1\n2000000,1\n4000000,1\n",
    "the header has 3 names and the rows 4": "a,b,c\n7,2,3,4\n2,3,4,5\n",
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_wrong_table_is_refused_in_one_sentence(tmp_path: Path, what: str):
    assert what in refusal(table(tmp_path / "bad.csv", BAD_TABLES[what]))


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x,y\n1,2,3\n")
    assert "no channel 'z': choose of t, x, y" in refusal(path, channels=("z",))


def test_one_row_needs_a_rate(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x\n12.5,1\n")
    assert "--rate" in refusal(path)
    recording = read(path, rate_hz=5)
    assert (recording.rate_hz, recording.start_ns) == (5, 12_500_000_000)


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


# Files that lie


LIES = {
    "a PNG picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "JSON": b'[{"t": 0, "x": 1}, {"t": 1, "x": 2}]',
    "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
    "a zip file": b"PK\x03\x04" + bytes(100),
    "is empty": b"",
    "nothing but blanks": b"\n\n  \n",
    "more than 4096 columns": ",".join(map(str, range(1_000_000))).encode(),
    "a line of more than 1 MB": b"t,x\n0,1\n" + b"1" * 5_000_000,
    "is binary": bytes(range(256)) * 20,
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_a_file_that_is_no_table_is_called_what_it_is(tmp_path: Path, what: str):
    assert what in refusal(table(tmp_path / "a.csv", LIES[what]), rate_hz=1)


@pytest.mark.parametrize("unit", [b"\0" * 1000, b"0.5\n" * 1000, b"1" * 1000])
def test_a_gzip_bomb_is_refused_within_memory(tmp_path: Path, unit: bytes):
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"x\n1\n2\n")
        for _ in range(30):
            file.write(unit * 1000)
    assert refusal(path, rate_hz=1)
