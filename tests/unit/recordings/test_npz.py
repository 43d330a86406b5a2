"""Recordings as .npz: writing, reading and errors."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.errors import OutputError, RecordingError
from sensorml.recordings import labels, read, write_npz
from sensorml.recordings.archive import Archive
from sensorml.recordings.npz import NpzReader

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
    assert recording.clipped[:].tolist() == [1, 2]
    blocks = list(recording.blocks(2))
    assert [block.clipped.tolist() for block in blocks] == [[1], [0]]


def test_full_scale_of_channels_that_are_not_read_is_ignored(tmp_path: Path):
    counts = np.array([[32767, 0], [0, -32768]], np.int16)
    path = saved(
        tmp_path / "a.npz", samples=counts, channels=["x", "y"], rate_hz=1, scale=3.0
    )
    recording = read(path, channels=("y",))
    assert recording.clipped[:].tolist() == [1]
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
    "holds Python objects": {"samples": np.array([[None]]), "rate_hz": 5},
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


def lying(path: Path, shape: tuple[int, ...], data: bytes, **member: object) -> Path:
    """Save samples whose header promises another shape."""
    header = io.BytesIO()
    descr = {"descr": "<f4", "fortran_order": False, "shape": shape} | member
    np.lib.format.write_array_header_1_0(header, descr)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", header.getvalue() + data)
    return path


@pytest.mark.parametrize("shape", [(10**15, 3), (10**200, 10**200), (26, 3)])
def test_a_shape_that_the_file_does_not_hold_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
):
    path = lying(tmp_path / "lies.npz", shape, bytes(300))
    assert "by its header, and 300 of its" in refusal(path, rate_hz=1)


def test_a_member_that_is_longer_than_its_shape_is_read(tmp_path: Path):
    path = lying(tmp_path / "long.npz", (20, 3), bytes(300))
    assert len(read(path, rate_hz=1).samples) == 20


def test_a_small_file_that_unpacks_to_much_costs_no_memory(tmp_path: Path):
    path = tmp_path / "bomb.npz"
    rows = 10**8
    descr = {"descr": "<i2", "fortran_order": False, "shape": (rows, 3)}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("samples.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, descr)
        for _ in range(600):
            member.write(bytes(10**6))
    assert path.stat().st_size < 10**6
    tracemalloc.start()
    assert "unpacks to more than 200 times its size" in refusal(path, rate_hz=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_zip_whose_directory_lies_about_a_size_is_refused(tmp_path: Path):
    path = tmp_path / "lies.npz"
    saved(path, samples=np.ones((1000, 3), np.float32), rate_hz=100.0)
    raw = path.read_bytes()
    size = (12_128).to_bytes(4, "little")
    assert size in raw
    path.write_bytes(raw.replace(size, (1000).to_bytes(4, "little")))
    assert "872 of its 12000 bytes" in refusal(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_is_found(tmp_path: Path, save: Callable[..., None]):
    path = tmp_path / "a.npz"
    save(path, samples=np.ones((1000, 3)), rate_hz=100.0)
    assert len(read(path).samples) == 1000
    raw = bytearray(path.read_bytes())
    raw[300] ^= 1
    path.write_bytes(raw)
    assert "is not a complete .npz" in refusal(path)


@settings(max_examples=150)
@given(at=st.integers(0, 2000), to=st.binary(min_size=1, max_size=6))
def test_damage_is_a_refusal_or_a_recording(
    tmp_path_factory: pytest.TempPathFactory, at: int, to: bytes
):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    saved(path, samples=np.ones((20, 2), np.float32), rate_hz=9.0, channels=["x", "y"])
    raw = bytearray(path.read_bytes())
    at %= len(raw)
    raw[at : at + len(to)] = to
    path.write_bytes(raw)
    with contextlib.suppress(RecordingError):
        assert read(path).samples.shape == (20, 2)


def test_a_shape_that_became_smaller_is_damage(tmp_path: Path):
    path = saved(tmp_path / "a.npz", samples=np.ones((20, 2)), rate_hz=9.0)
    raw = path.read_bytes()
    assert raw.count(b"(20, 2)") == 1
    path.write_bytes(raw.replace(b"(20, 2)", b"(2 , 2)"))
    assert "is not a complete .npz" in refusal(path)


def test_samples_with_a_row_for_each_channel_are_transposed(tmp_path: Path):
    rows = np.arange(600, dtype=np.float32).reshape(200, 3)
    path = saved(tmp_path / "a.npz", samples=rows.T, rate_hz=50.0)
    recording = read(path)
    assert np.array_equal(recording.samples, rows)
    assert recording.notes == ("transposed to one row a sample: samples",)
    named = saved(
        tmp_path / "b.npz", samples=rows[:5].T, rate_hz=50.0, channels=["x", "y", "z"]
    )
    assert np.array_equal(read(named, channels=["y"]).samples[:, 0], rows[:5, 1])


def test_columns_in_fortran_order_are_read(tmp_path: Path):
    rows = np.random.default_rng(0).normal(0, 1, (70_000, 3)).astype(np.float32)
    path = saved(
        tmp_path / "a.npz",
        samples=np.asfortranarray(rows),
        rate_hz=50.0,
        t_ns=np.arange(70_000) * 20_000_000,
    )
    assert np.array_equal(read(path).samples, rows)


@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_are_bounded_and_have_the_rows_of_the_whole(tmp_path: Path, order: str):
    counts = np.arange(3000, dtype=np.int16).reshape(1000, 3)
    counts[700, 1] = 32767
    path = saved(
        tmp_path / "a.npz",
        samples=np.array(counts, order=order),
        scale=[1.0, 2.0, 3.0],
        rate_hz=50.0,
        t_ns=np.arange(1000),
        channels=["x", "y", "z"],
    )
    with contextlib.closing(Archive(path)) as archive:
        reader = NpzReader(path, archive, ("z", "y"))
        parts = list(reader.parts(300))
    assert [len(part.samples) for part in parts] == [300, 300, 300, 100]
    whole = np.concatenate([part.samples for part in parts])
    assert np.array_equal(whole, counts[:, [2, 1]] * np.float32([3, 2]))
    assert np.concatenate([part.t_ns for part in parts]).tolist() == list(range(1000))
    assert [part.clipped.tolist() for part in parts] == [[], [], [100], []]


def test_labels_are_read_without_the_rows(tmp_path: Path):
    rows = np.zeros((10**6, 2), np.float32)
    path = saved(
        tmp_path / "a.npz", samples=rows, rate_hz=9.0, channels=["x", "y"], unit="g"
    )
    tracemalloc.start()
    assert labels(path) == (("x", "y"), "g")
    assert labels(path, channels=["y"], unit="m/s²") == (("y",), "m/s²")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    with pytest.raises(RecordingError, match="has no channel 'q'"):
        labels(path, channels=["q"])
    with pytest.raises(RecordingError, match="is in g, and degC was asked for"):
        labels(path, unit="degC")


def test_labels_of_arrays_with_any_names_need_their_first_rows_only(tmp_path: Path):
    noise = np.random.default_rng(0).normal(0, 1, 10**6)
    path = saved(tmp_path / "a.npz", vib_g=noise, t=np.arange(10**6) / 100, fs=100)
    assert labels(path).channels == read(path).channels == ("vib_g",)
