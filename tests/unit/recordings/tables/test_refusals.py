"""Tables that are refused in one sentence, and files that are no tables."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from logged_table import X, Y, refusal, rows, table


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


def test_columns_with_different_decimal_marks_are_refused(tmp_path: Path):
    commas = [v.replace(".", ",") for v in X]
    path = table(tmp_path / "a.csv", "x;y\n" + rows(commas, Y, separator=";"))
    assert "export it with one mark" in refusal(path, rate_hz=100)


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
