"""Recordings as .npz: writing, reading and errors."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.errors import OutputError, RecordingError
from sensorml.recordings import read, write_npz

NOON = 1_700_000_000_000_000_000


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 40),
    width=st.integers(1, 4),
    rate_hz=st.floats(0.01, 1e6),
    start_ns=st.integers(0, 2 * NOON),
    counts=st.booleans(),
)
def test_a_written_recording_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    width: int,
    rate_hz: float,
    start_ns: int,
    counts: bool,
):
    path = tmp_path_factory.getbasetemp() / "round.npz"
    rng = np.random.default_rng(rows)
    samples = rng.normal(0, 3000, (rows, width)).astype(
        np.int16 if counts else np.float32
    )
    names = tuple(f"axis {i}" for i in range(width))
    write_npz(
        path,
        samples=samples,
        rate_hz=rate_hz,
        channels=names,
        unit="g",
        start_ns=start_ns,
    )
    back = read(path)
    assert np.array_equal(back.samples, samples)
    assert back.samples.dtype == np.float32
    assert back.samples.flags.c_contiguous
    assert back.rate_hz == pytest.approx(rate_hz, rel=1e-12)
    assert (back.channels, back.unit, back.start_ns) == (names, "g", start_ns)


def test_a_failed_write_keeps_the_previous_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "a.npz"
    given_ = {"rate_hz": 10.0, "channels": ("x",), "unit": "g", "start_ns": 0}
    write_npz(path, samples=np.ones((3, 1), np.float32), **given_)
    before = path.read_bytes()
    monkeypatch.setattr("os.urandom", bytes)
    (tmp_path / ".a.npz.00000000.part").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_npz(path, samples=np.zeros((3, 1), np.float32), **given_)
    assert path.read_bytes() == before


def test_counts_are_scaled_and_full_scale_is_marked(tmp_path: Path):
    counts = np.array([[1, 2], [32767, 0], [0, -32768], [-32767, 5]], np.int16)
    path = saved(tmp_path / "a.npz", samples=counts, scale=[0.5, 2.0], rate_hz=100)
    recording = read(path)
    assert recording.samples[0].tolist() == [0.5, 4.0]
    assert recording.clipped.tolist() == [1, 2]
    blocks = list(recording.blocks(2))
    assert [block.clipped.tolist() for block in blocks] == [[1], [0]]


def test_full_scale_of_channels_that_are_not_read_is_ignored(tmp_path: Path):
    counts = np.array([[32767, 0], [0, -32768]], np.int16)
    path = saved(
        tmp_path / "a.npz", samples=counts, channels=["x", "y"], rate_hz=1, scale=3.0
    )
    recording = read(path, channels=("y",))
    assert recording.clipped.tolist() == [1]
    assert recording.samples.tolist() == [[0.0], [-98304.0]]


def test_a_rate_must_agree_with_that_of_the_file(tmp_path: Path):
    path = saved(tmp_path / "a.npz", samples=np.ones((4, 1)), rate_hz=50.0, unit="g")
    assert read(path, rate_hz=51.0).rate_hz == 50.0
    assert "at 50 Hz by its header and at 70 Hz by --rate" in refusal(path, rate_hz=70)


def test_times_may_count_from_any_zero_with_a_start(tmp_path: Path):
    path = saved(
        tmp_path / "a.npz",
        samples=np.ones((100, 1), np.float32),
        t_ns=np.arange(100) * 1_000_000,
        start_ns=NOON,
    )
    recording = read(path)
    assert recording.start_ns == NOON
    assert recording.rate_hz == pytest.approx(1000)


SAMPLES = np.zeros((4, 2), np.float32)
BAD_ARRAYS = {
    "holds no array of at least 16 samples": {"rate_hz": 5},
    "an array (n, channels)": {"samples": np.zeros(5), "rate_hz": 5},
    "float32 or int16": {"samples": np.array([["a"]]), "rate_hz": 5},
    "float32 or int16 ": {"samples": np.zeros((2, 2), complex), "rate_hz": 5},
    "allow_pickle=False": {"samples": np.array([[None]]), "rate_hz": 5},
    "has no samples": {"samples": np.zeros((0, 2)), "rate_hz": 5},
    "has no sample rate": {"samples": SAMPLES},
    "0 Hz is impossible": {"samples": SAMPLES, "rate_hz": 0.0},
    "-5 Hz is impossible": {"samples": SAMPLES, "rate_hz": -5},
    "nan Hz is impossible": {"samples": SAMPLES, "rate_hz": np.nan},
    "one number": {"samples": SAMPLES, "rate_hz": [1.0, 2.0]},
    "one number ": {"samples": SAMPLES, "rate_hz": "fast"},
    "2 texts": {"samples": SAMPLES, "rate_hz": 5, "channels": ["x"]},
    "one number, or 2": {"samples": SAMPLES, "rate_hz": 5, "scale": [1.0, 2, 3]},
    "4 of 4 rows hold": {"samples": SAMPLES + 1, "rate_hz": 5, "scale": 1e300},
    "1 of 4 rows hold NaN or infinity, the first is row 1 in 'ch2'": {
        "samples": np.array([[0, np.nan], [0, 0], [0, 0], [0, 0]]),
        "rate_hz": 5,
    },
    "4 of 4 rows": {"samples": np.full((4, 2), 1e300), "rate_hz": 5},
    "int64 of shape (4,)": {"samples": SAMPLES, "t_ns": [0.5, 1, 2, 3]},
    "time goes back 1 times, first at row 3": {
        "samples": SAMPLES,
        "t_ns": [0, 2, 1, 3],
    },
    "the times do not advance": {"samples": SAMPLES, "t_ns": [7, 7, 7, 7]},
    "outside the years": {"samples": SAMPLES, "t_ns": [0, 1, 2, 2**63 - 1]},
    "outside the years ": {"samples": SAMPLES, "rate_hz": 1, "start_ns": 2**63 - 1},
}


@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_a_wrong_npz_is_refused_with_the_reason(tmp_path: Path, what: str):
    path = saved(tmp_path / "bad.npz", **BAD_ARRAYS[what])
    assert what.strip() in refusal(path)


def test_a_size_beyond_the_memory_is_refused(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**15, 3)}
    )
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples.npy", header.getvalue())
    assert "is not a complete .npz" in refusal(path)
