"""Recordings of every format that is written: what is read back."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.errors import MissingExtraError, OutputError
from sensorml.recordings import from_array, read
from sensorml.recordings.content import Chunk, Content, content_of, even_times
from sensorml.recordings.riff import parse
from sensorml.recordings.writers import ENDINGS, wav, write

NOON = 1_700_000_000_000_000_123


def content(*parts: Chunk, gaps: int = 0, rate_hz: float = 800.0) -> Content:
    return Content(
        channels=("x", "y"),
        unit="g",
        rate_hz=rate_hz,
        start_ns=int(parts[0].t_ns[0]),
        rows=sum(len(part.samples) for part in parts),
        gaps=gaps,
        timed=True,
        chunks=lambda: iter(parts),
    )


def part(rows: int, start_ns: int = NOON, rate_hz: float = 800.0) -> Chunk:
    samples = np.random.default_rng(rows).normal(0, 1, (rows, 2)).astype(np.float32)
    return Chunk(samples, even_times(start_ns, rate_hz, rows))


@pytest.mark.parametrize("ending", ENDINGS)
def test_samples_names_unit_rate_and_start_are_read_back(tmp_path: Path, ending: str):
    first = part(3000)
    second = part(500, int(first.t_ns[-1]) + 1_250_000)
    path = tmp_path / f"motor{ending}"
    assert write(path, content(first, second)) == ()
    recording = read(path)
    assert np.array_equal(
        recording.samples, np.concatenate([first.samples, second.samples])
    )
    assert (recording.channels, recording.unit) == (("x", "y"), "g")
    assert recording.rate_hz == pytest.approx(800.0, rel=1e-6)
    assert recording.start_ns == pytest.approx(NOON, abs=2)
    assert [segment.missed for segment in recording.segments] == [0]


@pytest.mark.parametrize("ending", [".npz", ".csv", ".parquet"])
def test_a_gap_is_read_back_where_rows_have_times(tmp_path: Path, ending: str):
    first, second = part(1000), part(1000, NOON + 2_250_000_000)
    path = tmp_path / f"motor{ending}"
    assert write(path, content(first, second, gaps=1)) == ()
    segments = read(path).segments
    assert [(s.first, s.missed) for s in segments] == [(0, 0), (1000, 800)]


def test_a_wav_closes_gaps_and_reports_them(tmp_path: Path):
    path = tmp_path / "motor.wav"
    notes = write(path, content(part(10), part(10, NOON + 10**10), gaps=1))
    assert notes == ("gaps are closed, because .wav has no times: 1",)
    assert len(read(path).samples) == 20


def test_a_wav_has_the_exact_rate_of_a_clock_that_is_no_whole_number(tmp_path: Path):
    path = tmp_path / "motor.wav"
    write(path, content(part(10, rate_hz=833.7), rate_hz=833.7))
    assert read(path).rate_hz == 833.7
    slow = content(part(10, rate_hz=0.1), rate_hz=0.1)
    write(path, slow)
    assert read(path).rate_hz == 0.1


def test_a_wav_over_4_gib_is_rf64():
    file = io.BytesIO()
    long = content(part(1))
    rows = 2**30
    wav.write(file, Content(**{n: getattr(long, n) for n in fields()} | {"rows": rows}))
    form = parse(file)
    assert file.getvalue()[:4] == b"RF64"
    assert form.size == rows * 8
    assert form.first_byte == len(file.getvalue()) - 8


def fields() -> tuple[str, ...]:
    return tuple(Content.__dataclass_fields__)


def test_parquet_has_whole_times_and_units_in_names(tmp_path: Path):
    path = tmp_path / "motor.parquet"
    rows = part(1000)
    assert write(path, content(rows)) == ()
    frame = pl.read_parquet(path)
    assert frame.schema == {
        "utc_ns": pl.Int64,
        "x (g)": pl.Float32,
        "y (g)": pl.Float32,
    }
    assert np.array_equal(frame["utc_ns"].to_numpy(), rows.t_ns)


def test_an_even_npz_has_a_rate_and_no_times(tmp_path: Path):
    recording = from_array([[0.5], [0.25]], rate_hz=2.5, unit="g", start_ns=NOON)
    path = tmp_path / "motor.npz"
    write(path, content_of(recording))
    assert "t_ns" not in np.load(path)
    again = read(path)
    assert again.rate_hz == 2.5
    assert np.array_equal(again.samples, recording.samples)


@given(
    values=st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        min_size=2,
        max_size=60,
    ),
    steps=st.lists(st.integers(1, 10**12), min_size=60, max_size=60),
)
def test_csv_is_read_back_to_the_sample_at_any_pace(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], steps: list[int]
):
    samples = np.array(values, np.float32)[:, None]
    t_ns = NOON + np.cumsum(steps[: len(values)]).astype(np.int64)
    path = tmp_path_factory.getbasetemp() / "round.csv"
    one = content(Chunk(np.hstack([samples, samples]), t_ns))
    write(path, one)
    recording = read(path)
    assert np.array_equal(recording.samples, one.chunks().__next__().samples)
    written = np.loadtxt(path, delimiter=",", skiprows=1, usecols=0, dtype=np.int64)
    assert np.array_equal(written, t_ns)


def test_csv_of_a_rising_or_constant_channel_has_every_channel(tmp_path: Path):
    rising = np.arange(600, dtype=np.float32)
    uneven = NOON + np.cumsum(np.random.default_rng(1).integers(1, 10**8, 600))
    samples = np.stack([rising, np.full(600, 21.5, np.float32)], axis=1)
    path = tmp_path / "slow.csv"
    write(path, content(Chunk(samples, uneven)))
    recording = read(path)
    assert recording.channels == ("x", "y")
    assert np.array_equal(recording.samples, samples)


def test_equal_and_awkward_names_are_kept_apart(tmp_path: Path):
    one = content(part(50))
    values = {n: getattr(one, n) for n in fields()}
    odd = Content(**values | {"channels": ("a, b", "a, b"), "unit": ""})
    path = tmp_path / "odd.csv"
    write(path, odd)
    assert read(path).channels == ("a, b", "a, b 2")


def test_an_unknown_ending_is_refused(tmp_path: Path):
    with pytest.raises(OutputError, match=r"choose one of \.npz, \.csv, \.wav"):
        write(tmp_path / "motor.xyz", content(part(2)))


def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.delitem(sys.modules, "sensorml.recordings.writers.parquet", False)
    with pytest.raises(MissingExtraError, match=r"without polars.*sensorml\[tables\]"):
        write(tmp_path / "motor.parquet", content(part(2)))


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path: Path):
    path = tmp_path / "motor.npz"
    path.write_text("before")

    def broken():
        yield part(1)
        raise OSError(28, "No space left on device")

    values = {n: getattr(content(part(2)), n) for n in fields()}
    with pytest.raises(OutputError, match="No space left"):
        write(path, Content(**values | {"chunks": broken}))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
