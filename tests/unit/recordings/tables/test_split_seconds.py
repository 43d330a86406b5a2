"""Seconds and their fraction in two columns."""

import pytest

from sensorml.recordings import read


def test_seconds_and_microseconds_in_two_columns_are_one_clock(tmp_path):
    path = tmp_path / "pps.csv"
    rows = "".join(
        f"{1741183629 + i // 100},{i % 100 * 10000},{i % 7}\n" for i in range(500)
    )
    path.write_text(f"sec,usec,x\n{rows}")
    recording = read(path)
    assert recording.channels == ("x",)
    assert recording.rate_hz == pytest.approx(100)
    assert recording.start_ns == 1741183629 * 10**9
    assert recording.samples[:8, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
