"""Tables of typed columns (.parquet, .feather) and of Excel."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest

from sensorml.errors import RecordingError
from sensorml.recordings import TableOptions, read

ROWS = 1200
START_NS = 1_700_000_000_000_000_000
T_NS = START_NS + np.arange(ROWS) * 10_000_000
X = np.sin(np.arange(ROWS) * 0.8).astype(np.float32)
TIMES = {
    "time": pl.Series(T_NS).cast(pl.Datetime("ns")),
    "local time": pl.Series(T_NS).cast(pl.Datetime("ns", "Europe/Warsaw")),
    "timestamp": pl.Series(T_NS // 1_000_000),
    "epoch_us": pl.Series(T_NS // 1000),
    "ts": pl.Series(T_NS),
    "Time (ms)": pl.Series((T_NS - START_NS) / 1e6),
    "datetime": pl.Series(T_NS).cast(pl.Datetime("ns")).dt.strftime("%F %T%.3f"),
}


def write(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.fixture(params=[".parquet", ".feather"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"motor{request.param}"


@pytest.mark.parametrize("name", TIMES)
def test_times_of_every_type_are_read(path: Path, name: str):
    write(pl.DataFrame({name: TIMES[name], "x (g)": X}), path)
    recording = read(path)
    assert recording.rate_hz == pytest.approx(100)
    assert recording.start_ns == (0 if name == "Time (ms)" else START_NS)
    assert recording.samples[:, 0] == pytest.approx(X)
    assert (recording.channels, recording.unit) == (("x",), "g")
    assert name in recording.notes[0]


def test_a_counter_and_texts_are_left_out_and_reported(path: Path):
    frame = pl.DataFrame(
        {"ts": T_NS, "id": np.arange(ROWS), "note": ["ok"] * ROWS, "x": X}
    )
    recording = read(write(frame, path))
    assert recording.channels == ("x",)
    assert recording.notes[1] == "left out: id (a counter), note (text)"


def test_a_long_table_asks_which_rows_to_take(path: Path):
    frame = pl.DataFrame(
        {
            "ts": np.repeat(T_NS, 2),
            "sensor": ["fan", "pump"] * ROWS,
            "value": np.stack((X, 2 * X), axis=1).ravel(),
        }
    )
    write(frame, path)
    assert "--where sensor=VALUE" in refusal(path)
    recording = read(path, table=TableOptions(where={"sensor": "pump"}))
    assert recording.samples[:, 0] == pytest.approx(2 * X)
    assert recording.rate_hz == pytest.approx(100)
    none = TableOptions(where={"sensor": "belt"})
    assert "correct --where" in refusal(path, table=none)


def test_rows_without_a_value_are_a_gap(path: Path):
    values = [None if 300 <= i < 305 else float(v) for i, v in enumerate(X)]
    recording = read(write(pl.DataFrame({"ts": T_NS, "x": values}), path))
    assert len(recording.samples) == ROWS - 5
    assert [part.missed for part in recording.segments] == [0, 5]
    assert "rows left out: 5 without a number or a time" in recording.notes


def test_many_rows_without_a_value_are_refused(path: Path):
    values = [None if i % 20 == 0 else float(v) for i, v in enumerate(X)]
    assert "60 of 1200 rows lack a number" in refusal(
        write(pl.DataFrame({"ts": T_NS, "x": values}), path)
    )


@pytest.mark.parametrize("keep", [0, 2, 8, 300])
def test_a_frame_that_is_cut_is_refused(path: Path, keep: int):
    write(pl.DataFrame({"ts": T_NS, "x": X}), path)
    path.write_bytes(path.read_bytes()[:keep])
    assert f"is not a complete {path.suffix} file" in refusal(path)


def workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.active.append(["made by hand"])
    sheet = book.create_sheet("Log")
    sheet.append(["Motor 7", "hall 2"])
    sheet.append([])
    sheet.append(["Time", "x", "y"])
    sheet.append(["", "m/s^2", "m/s^2"])
    begun = dt.datetime(2024, 5, 1, 12)  # noqa: DTZ001 - a sheet has no zones
    for i, value in enumerate(X.tolist()):
        sheet.append([begun + dt.timedelta(milliseconds=10 * i), value, -value])
    book.save(path)
    return path


def test_the_longest_sheet_of_a_workbook_is_read(tmp_path: Path):
    recording = read(workbook(tmp_path / "a.xlsx"))
    assert recording.samples == pytest.approx(np.stack((X, -X), axis=1), abs=1e-6)
    assert recording.channels == ("x", "y")
    assert (recording.unit, recording.rate_hz) == ("m/s^2", pytest.approx(100))
    assert recording.start_ns == 1_714_564_800_000_000_000
    assert recording.notes[0].startswith("read: sheet 'Log', time = 'Time'")


def test_a_workbook_that_is_cut_is_refused(tmp_path: Path):
    path = workbook(tmp_path / "a.xlsx")
    path.write_bytes(path.read_bytes()[:2000])
    assert "is not a complete workbook" in refusal(path)


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(1 << 27))
    assert "unpacks to more than 200 times its size" in refusal(path)
