"""Recordings as tables: columns, times and errors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sensorml.errors import RecordingError
from sensorml.recordings import read

NOON = 1_700_000_000_000_000_000


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_the_columns_of_numbers_are_read_without_times_and_texts(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "time,x,place,y\n0.00,1,hall,2\n0.01,3,hall,4\n\n0.02,5,hall,6\n",
    )
    recording = read(path, unit="g")
    assert recording.channels == ("x", "y")
    assert recording.samples.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert recording.rate_hz == pytest.approx(100)
    assert recording.unit == "g"


def test_columns_have_the_order_of_the_argument(tmp_path: Path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b'x;"the y";z\n1;2;"3"\n4;5;6\n'))
    recording = read(path, channels=("z", "the y"), rate_hz=2)
    assert recording.samples.tolist() == [[3, 2], [6, 5]]
    assert recording.rate_hz == 2


TIMES = {
    "t,x\n0.5,1\n0.75,1\n1.0,1\n": (500_000_000, 4),
    "time,x\n0,1\n2000000,1\n4000000,1\n": (0, 500),
    "timestamp_ms,x\n5,1\n15,1\n25,1\n": (5_000_000, 100),
    "Time_us,x\n5,1\n15,1\n25,1\n": (5_000, 100_000),
    "t_s,x\n10000,1\n20000,1\n30000,1\n": (10_000 * 10**9, 1e-4),
    "t,x\n1700000000,1\n1700000001,1\n1700000002,1\n": (NOON, 1),
    "t,x\n1700000000000,1\n1700000000001,1\n1700000000002,1\n": (NOON, 1000),
    "t,x\n1700000000000000000,1\n1700000000001000000,1\n": (NOON, 1000),
    "datetime;x\n2023-11-14 22:13:20;1\n2023-11-14 22:13:21;1\n": (NOON, 1),
    "t,x\n2023-11-14T22:13:20.000Z,1\n2023-11-14T22:13:20.5Z,1\n": (NOON, 2),
    "t,x\n2023-11-14T23:13:20+01:00,1\n2023-11-14T22:13:21Z,1\n": (NOON, 1),
}


@pytest.mark.parametrize("text", TIMES)
def test_times_of_every_format_are_read(tmp_path: Path, text: str):
    recording = read(table(tmp_path / "a.csv", text))
    start_ns, rate_hz = TIMES[text]
    assert abs(recording.start_ns - start_ns) <= 256  # a float64 of UTC ns
    assert recording.rate_hz == pytest.approx(rate_hz, rel=1e-3)
    assert recording.samples.shape[1] == 1


BAD_TABLES = {
    "is empty": "",
    "starts with an empty line": "\nx\n1\n",
    "has a header and no rows": "t,x\n",
    "starts with numbers": "1,2\n3,4\n",
    "has more than 4096 columns": ",".join(map(str, range(1_000_000))) + "\n1\n",
    "has no sample rate": "x,y\n1,2\n3,4\n",
    "no column of numbers except the times": "t,place\n1,hall\n2,hall\n",
    "row 2 has 'hall' in column 'x'": "t,x\n1,5\n2,hall\n3,5\n",
    "row 1 has '' in column 'x'": "t,x,y\n1,,5\n2,6,7\n3,8,9\n",
    "row 2 has 'then' in column 't'": "t,x\n1,5\nthen,5\n3,5\n",
    "row 2 has 3 fields, the header has 2": "t,x\n1,5\n2,6,7\n",
    "row 3 has 1 fields": "t,x\n1,5\n\n2,6\n7\n",
    "the first is row 2 in 'x'": "t,x\n1,5\n2,inf\n3,1e999\n",
    "time goes back 1 times, first at row 3": "t,x\n1,5\n2,5\n1,5\n",
    "row 2 has no time in column 't'": "t,x\n1,5\nnan,5\n3,7\n",
    "'soon' in column 'time', which is neither": "time,x\nsoon,1\nlater,2\n",
    "may be s or ns: name the column t_s or t_ns": "t,x\n1700000000,5\n1700010000,5\n",
    "beyond the year 2096": "t_s,x\n1e17,5\n1e18,5\n",
    "years 1844 to 2096": "t,x\n3023-01-01,5\n3024-01-01,5\n",
    "2 columns 'x'": "t,x,x\n1,5,5\n2,6,6\n",
}


@pytest.mark.parametrize("what", BAD_TABLES)
def test_a_wrong_table_is_refused_with_the_reason(tmp_path: Path, what: str):
    assert what in refusal(table(tmp_path / "bad.csv", BAD_TABLES[what]))


def test_an_error_names_the_missing_column_and_the_existing_ones(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x,y\n1,2,3\n")
    assert "no channel 'z': choose from t, x, y" in refusal(path, channels=("z",))


def test_one_row_needs_a_rate(tmp_path: Path):
    path = table(tmp_path / "a.csv", "t,x\n12.5,1\n")
    assert "--rate" in refusal(path)
    recording = read(path, rate_hz=5)
    assert (recording.rate_hz, recording.start_ns) == (5, 12_500_000_000)


def test_a_table_longer_than_a_chunk_is_read_completely(tmp_path: Path):
    rows = np.arange(40_000)
    lines = "\n".join(f"{i / 1000},{i}" for i in rows)
    recording = read(table(tmp_path / "a.csv", f"t,x\n{lines}\nend"[:-4]))
    assert np.array_equal(recording.samples[:, 0], rows)
    assert len(recording.segments) == 1
