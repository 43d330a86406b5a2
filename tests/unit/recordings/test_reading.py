"""Recordings of any format: damaged files, blocks, fit of a model."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.errors import RecordingError
from sensorml.recordings import Recording, read

NOON = 1_700_000_000_000_000_000


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def lost_before(recording: Recording) -> dict[int, int]:
    return {s.first: s.missed for s in recording.segments if s.missed}


def test_a_missing_file_and_an_unknown_format_are_errors(tmp_path: Path):
    assert "there is no such file" in refusal(tmp_path / "none.csv")
    assert "is a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is no regular file" in refusal(tmp_path / "pipe.csv")
    (tmp_path / "a.doc").write_text("t,x\n1,2\n")
    assert "an unknown format" in refusal(tmp_path / "a.doc")


def whole_files() -> dict[str, bytes]:
    """Return small recordings of every format, as bytes."""
    npz, wav = io.BytesIO(), io.BytesIO()
    t_ns = NOON + np.arange(30) * 1_000_000
    np.savez(npz, samples=np.ones((30, 2), np.int16), channels=["x", "y"], t_ns=t_ns)
    with wave.open(wav, "wb") as file:
        file.setparams((2, 3, 1000, 0, "NONE", ""))
        file.writeframes(bytes(range(60)))
    rows = "".join(f'"2024-01-01T00:00:0{i}",{i},1e{i}\n' for i in range(9))
    text = f"time,x,y\n{rows}".encode()
    return {
        ".npz": npz.getvalue(),
        ".wav": wav.getvalue(),
        ".csv": text,
        ".csv.gz": gzip.compress(text, mtime=0),
    }


FILES = whole_files()
EDITS = st.tuples(
    st.integers(0, 2000), st.integers(0, 8), st.one_of(st.binary(max_size=8), st.text())
)


@pytest.mark.parametrize("ending", FILES)
@settings(deadline=None, max_examples=150)
@given(edits=st.lists(EDITS, min_size=1, max_size=3), cut=st.integers(0, 4000))
def test_damaged_bytes_are_read_or_refused_as_a_recording_error(
    tmp_path_factory: pytest.TempPathFactory,
    ending: str,
    edits: list[tuple[int, int, bytes | str]],
    cut: int,
):
    data = FILES[ending]
    for place, length, new in edits:
        at = place % (len(data) + 1)
        put = new.encode("utf-8", "surrogatepass") if isinstance(new, str) else new
        data = data[:at] + put + data[at + length :]
    path = tmp_path_factory.getbasetemp() / f"damaged{ending}"
    path.write_bytes(data[: cut or None])
    try:
        recording = read(path)
    except RecordingError as err:
        assert str(err).startswith(f"{path}: ")  # noqa: PT017
    else:
        assert np.isfinite(recording.samples).all()
        total = sum(len(block.samples) for block in recording.blocks())
        assert total == len(recording.samples) > 0


@pytest.mark.parametrize("ending", [".npz", ".csv.gz", ".wav"])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, ending: str):
    path = tmp_path / f"cut{ending}"
    for length in range(0, len(FILES[ending]) - 1, 7):
        path.write_bytes(FILES[ending][:length])
        refusal(path)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    places=st.lists(st.integers(1, 18), unique=True, max_size=4),
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 2000)),
)
def test_blocks_of_any_size_have_the_same_rows_and_times(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    places: list[int],
    sizes: tuple[int, int],
):
    rng = np.random.default_rng(seed)
    gaps = {50 * place: 7 for place in places}
    path = tmp_path_factory.getbasetemp() / "blocks.npz"
    samples = rng.integers(-32768, 32768, (1000, 2), np.int16)
    samples[rng.integers(0, 1000, 20), 0] = 32767
    lost = np.zeros(1000, np.int64)
    lost[list(gaps)] = 7
    late = rng.integers(0, 20_000_000, 1000) * (rng.random(1000) < 0.1)
    taken = NOON + (np.arange(1000) + np.cumsum(lost)) * 10_000_000
    t_ns = np.maximum.accumulate(taken + late)
    np.savez(path, samples=samples, t_ns=t_ns)
    recording = read(path)
    told = []
    for size in sizes:
        blocks = list(recording.blocks(size))
        assert max(len(block.samples) for block in blocks) <= size
        assert np.array_equal(np.concatenate([b.samples for b in blocks]), samples)
        firsts = [0, *itertools.accumulate(len(b.samples) for b in blocks)]
        rows = [
            block.start_ns + round(i * 1e9 / block.rate_hz)
            for block in blocks
            for i in range(len(block.samples))
        ]
        missed = {f: b.missed for f, b in zip(firsts, blocks, strict=False) if b.missed}
        clipped = [
            f + i for f, b in zip(firsts, blocks, strict=False) for i in b.clipped
        ]
        told.append((rows, missed, clipped))
    assert np.abs(np.subtract(told[0][0], told[1][0])).max() <= 2
    assert told[0][1:] == told[1][1:]
    assert told[0][1] == lost_before(recording)
    assert len(told[0][1]) >= len(gaps)
    assert told[0][2] == recording.clipped[:].tolist()


def test_a_block_without_rows_is_an_error(tmp_path: Path):
    np.savez(tmp_path / "a.npz", samples=np.zeros((4, 2)), rate_hz=1)
    recording = read(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="at least one row"):
        next(recording.blocks(0))


@pytest.fixture
def data() -> Path:
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name the folder of real recordings")
    return Path(os.environ["SENSORML_DATA"])


@pytest.mark.data
def test_a_polled_sensor_that_catches_up_has_no_gap(data: Path):
    axes = ("accel_x", "accel_y", "accel_z")
    recordings = [
        read(path, channels=axes) for path in sorted(data.glob("treeguard/*.csv.gz"))
    ]
    assert len(recordings) > 30
    assert all(r.rate_hz == pytest.approx(333, rel=1e-3) for r in recordings)
    # A few files hold one stall of 20 ms, which is a gap; jitter is none.
    lost = [sum(s.missed for s in r.segments) for r in recordings]
    assert max(lost) <= 10
    assert np.median(lost) == 0


@pytest.mark.data
def test_a_gap_of_minutes_is_found_in_rounded_seconds(data: Path):
    recording = read(data / "skab" / "other" / "2.csv")
    assert recording.rate_hz == pytest.approx(0.95, rel=0.01)
    assert lost_before(recording) == {104: 234}
