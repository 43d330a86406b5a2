"""Recordings: what each format holds, where the gaps are, and what is refused."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.cards import Input
from sensorml.errors import RecordingError
from sensorml.recordings import Recording, read, why_not, write_npz
from sensorml.recordings.times import segments

NOON = 1_700_000_000_000_000_000


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def pcm(path: Path, counts: np.ndarray, width: int, rate_hz: int = 8000) -> Path:
    """Write counts (n, channels), given in the range of `width` bytes."""
    if width == 1:
        raw = (counts + 128).astype(np.uint8).tobytes()
    else:
        wide = counts.astype("<i4").reshape(-1, 1).view(np.uint8)
        raw = wide[:, :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(counts.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(raw)
    return path


def lost_before(recording: Recording) -> dict[int, int]:
    return {s.first: s.missed for s in recording.segments if s.missed}


# --- .npz ------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 40),
    width=st.integers(1, 4),
    rate_hz=st.floats(0.01, 1e6),
    start_ns=st.integers(0, 2 * NOON),
    counts=st.booleans(),
)
def test_what_is_written_is_read_back(
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


def test_a_write_that_fails_leaves_the_recording_before_it(tmp_path: Path):
    path = tmp_path / "a.npz"
    given_ = {"rate_hz": 10.0, "channels": ("x",), "unit": "g", "start_ns": 0}
    write_npz(path, samples=np.ones((3, 1), np.float32), **given_)
    before = path.read_bytes()
    (tmp_path / ".a.npz.part").mkdir()
    with pytest.raises(RecordingError, match="cannot be written"):
        write_npz(path, samples=np.zeros((3, 1), np.float32), **given_)
    assert path.read_bytes() == before


def test_counts_are_scaled_and_full_scale_is_remembered(tmp_path: Path):
    counts = np.array([[1, 2], [32767, 0], [0, -32768], [-32767, 5]], np.int16)
    path = saved(tmp_path / "a.npz", samples=counts, scale=[0.5, 2.0], rate_hz=100)
    recording = read(path)
    assert recording.samples[0].tolist() == [0.5, 4.0]
    assert recording.clipped.tolist() == [1, 2]
    blocks = list(recording.blocks(2))
    assert [block.clipped.tolist() for block in blocks] == [[1], [0]]


def test_of_chosen_channels_only_theirs_is_full_scale(tmp_path: Path):
    counts = np.array([[32767, 0], [0, -32768]], np.int16)
    path = saved(
        tmp_path / "a.npz", samples=counts, channels=["x", "y"], rate_hz=1, scale=3.0
    )
    recording = read(path, channels=("y",))
    assert recording.clipped.tolist() == [1]
    assert recording.samples.tolist() == [[0.0], [-98304.0]]


def test_the_rate_in_the_file_wins_over_the_argument(tmp_path: Path):
    path = saved(tmp_path / "a.npz", samples=np.ones((4, 1)), rate_hz=50.0, unit="g")
    recording = read(path, rate_hz=70.0, unit="m/s²")
    assert (recording.rate_hz, recording.unit) == (50.0, "g")


def test_times_may_count_from_anywhere_when_the_start_is_said(tmp_path: Path):
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
    "has no array samples": {"rate_hz": 5},
    "an array (n, channels)": {"samples": np.zeros(5), "rate_hz": 5},
    "float32 or int16": {"samples": np.array([["a"]]), "rate_hz": 5},
    "float32 or int16 ": {"samples": np.zeros((2, 2), complex), "rate_hz": 5},
    "allow_pickle=False": {"samples": np.array([[None]]), "rate_hz": 5},
    "has no samples": {"samples": np.zeros((0, 2)), "rate_hz": 5},
    "tells the sample rate": {"samples": SAMPLES},
    "0 Hz is impossible": {"samples": SAMPLES, "rate_hz": 0.0},
    "-5 Hz is impossible": {"samples": SAMPLES, "rate_hz": -5},
    "nan Hz is impossible": {"samples": SAMPLES, "rate_hz": np.nan},
    "one number": {"samples": SAMPLES, "rate_hz": [1.0, 2.0]},
    "one number ": {"samples": SAMPLES, "rate_hz": "fast"},
    "2 texts": {"samples": SAMPLES, "rate_hz": 5, "channels": ["x"]},
    "one number, or 2": {"samples": SAMPLES, "rate_hz": 5, "scale": [1.0, 2, 3]},
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
def test_a_wrong_npz_is_refused_in_one_sentence(tmp_path: Path, what: str):
    path = saved(tmp_path / "bad.npz", **BAD_ARRAYS[what])
    assert what.strip() in refusal(path)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_size_that_no_memory_holds_is_refused(tmp_path: Path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**15, 3)}
    )
    path = tmp_path / "huge.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("samples.npy", header.getvalue())
    assert "is not a whole .npz" in refusal(path)


# --- .csv ------------------------------------------------------------------


def test_a_table_is_its_numbers_without_times_and_texts(tmp_path: Path):
    path = table(
        tmp_path / "a.csv",
        "time,x,place,y\n0.00,1,hall,2\n0.01,3,hall,4\n\n0.02,5,hall,6\n",
    )
    recording = read(path, unit="g")
    assert recording.channels == ("x", "y")
    assert recording.samples.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert recording.rate_hz == pytest.approx(100)
    assert recording.unit == "g"


def test_columns_come_in_the_order_asked_for(tmp_path: Path):
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
def test_times_are_understood(tmp_path: Path, text: str):
    recording = read(table(tmp_path / "a.csv", text))
    start_ns, rate_hz = TIMES[text]
    assert abs(recording.start_ns - start_ns) <= 256  # a float64 of UTC ns
    assert recording.rate_hz == pytest.approx(rate_hz, rel=1e-3)
    assert recording.samples.shape[1] == 1


BAD_TABLES = {
    "is empty": "",
    "begins with an empty line": "\nx\n1\n",
    "has a header and no rows": "t,x\n",
    "begins with numbers": "1,2\n3,4\n",
    "has more than 4096 columns": ",".join(map(str, range(1_000_000))) + "\n1\n",
    "tells the sample rate": "x,y\n1,2\n3,4\n",
    "no column of numbers but its times": "t,place\n1,hall\n2,hall\n",
    "row 2 has 'hall' in column 'x'": "t,x\n1,5\n2,hall\n3,5\n",
    "row 1 has '' in column 'x'": "t,x,y\n1,,5\n2,6,7\n3,8,9\n",
    "row 2 has 'then' in column 't'": "t,x\n1,5\nthen,5\n3,5\n",
    "row 2 has 3 fields, the header 2": "t,x\n1,5\n2,6,7\n",
    "row 3 has 1 fields": "t,x\n1,5\n\n2,6\n7\n",
    "the first is row 2 in 'x'": "t,x\n1,5\n2,inf\n3,1e999\n",
    "time goes back 1 times, first at row 3": "t,x\n1,5\n2,5\n1,5\n",
    "row 2 has no time in column 't'": "t,x\n1,5\nnan,5\n3,7\n",
    "'soon' in column 'time', which is neither": "time,x\nsoon,1\nlater,2\n",
    "may be s or ns: call the column t_s or t_ns": "t,x\n1700000000,5\n1700010000,5\n",
    "beyond the year 2096": "t_s,x\n1e17,5\n1e18,5\n",
    "years 1844 to 2096": "t,x\n3023-01-01,5\n3024-01-01,5\n",
    "2 columns 'x'": "t,x,x\n1,5,5\n2,6,6\n",
}


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


def test_a_table_longer_than_a_chunk_is_whole(tmp_path: Path):
    rows = np.arange(40_000)
    lines = "\n".join(f"{i / 1000},{i}" for i in rows)
    recording = read(table(tmp_path / "a.csv", f"t,x\n{lines}\nend"[:-4]))
    assert np.array_equal(recording.samples[:, 0], rows)
    assert len(recording.segments) == 1


# --- .wav ------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_of_every_width_is_scaled_to_one(tmp_path: Path, width: int):
    end = 1 << (8 * width - 1)
    counts = np.array([[0, end // 2], [-end, 0], [1, end - 1], [-1, -end + 1]])
    recording = read(pcm(tmp_path / "a.wav", counts, width))
    assert recording.samples == pytest.approx(counts / end, abs=1e-7)
    assert recording.samples[0, 1] == 0.5
    assert recording.clipped.tolist() == [1, 2]
    assert (recording.unit, recording.rate_hz) == ("fs", 8000)
    assert recording.channels == ("ch1", "ch2")
    assert read(tmp_path / "a.wav", channels=("ch2",)).clipped.tolist() == [2]


def test_a_wav_that_is_cut_off_is_refused(tmp_path: Path):
    path = pcm(tmp_path / "a.wav", np.zeros((100, 1)), 2)
    path.write_bytes(path.read_bytes()[:-50])
    assert "its header promises 200" in refusal(path)


def test_a_wav_of_a_width_that_is_none_is_refused(tmp_path: Path):
    path = pcm(tmp_path / "a.wav", np.zeros((100, 1)), 2)
    header = bytearray(path.read_bytes())
    header[34] = 40  # bits of a sample
    path.write_bytes(header)
    assert "samples of 40 bit" in refusal(path)


# --- any file --------------------------------------------------------------


def test_what_is_no_file_or_format_is_told(tmp_path: Path):
    assert "there is no such file" in refusal(tmp_path / "none.csv")
    assert "is not a file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is not a file" in refusal(tmp_path / "pipe.csv")
    assert "in no format" in refusal(table(tmp_path / "a.txt", "t,x\n1,2\n"))


def whole_files() -> dict[str, bytes]:
    """Small recordings of every format, as bytes."""
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
def test_damaged_bytes_are_refused_or_read_and_nothing_else(
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
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, ending: str):
    path = tmp_path / f"cut{ending}"
    for length in range(0, len(FILES[ending]) - 1, 7):
        path.write_bytes(FILES[ending][:length])
        refusal(path)


# --- gaps and blocks -------------------------------------------------------


def stamped(
    rng: np.random.Generator, rows: int, period_ns: float, gaps: dict[int, int]
) -> np.ndarray:
    """Times of a polled sensor: one in ten rows is late, and catches up."""
    lost = np.zeros(rows)
    lost[list(gaps)] = list(gaps.values())
    taken = (np.arange(rows) + np.cumsum(lost)) * period_ns
    late = rng.exponential(2, rows).clip(max=6) * (rng.random(rows) < 0.1) * period_ns
    for row in gaps:  # what is late just before a gap looks like a part of it
        late[row - 8 : row + 1] = 0
    return NOON + np.maximum.accumulate(taken + late).astype(np.int64)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    rate_hz=st.sampled_from([1.0, 100.0, 333.0, 800.0, 26_667.0]),
    places=st.lists(st.integers(2, 48), unique=True, max_size=5),
    missed=st.integers(1, 500),
)
def test_planted_gaps_are_found_under_planted_jitter(
    seed: int, rate_hz: float, places: list[int], missed: int
):
    gaps = {40 * place: missed for place in sorted(places)}
    rng = np.random.default_rng(seed)
    found = segments(stamped(rng, 2000, 1e9 / rate_hz, gaps))
    assert {s.first: s.missed for s in found if s.missed} == gaps
    for segment in found:
        lost = sum(m for row, m in gaps.items() if row <= segment.first)
        taken = NOON + (segment.first + lost) * 1e9 / rate_hz
        assert abs(segment.start_ns - taken) < 2e9 / rate_hz
        assert segment.rate_hz == pytest.approx(rate_hz, rel=0.01)


@pytest.mark.parametrize("rate_hz", [800.0, 3200.0])
def test_rounding_to_milliseconds_is_no_gap(rate_hz: float):
    exact = np.arange(20_000) * 1e9 / rate_hz
    found = segments((np.floor(exact / 1e6) * 1e6).astype(np.int64))
    assert [s.missed for s in found] == [0]
    assert found[0].rate_hz == pytest.approx(rate_hz, rel=1e-5)


def test_a_burst_that_shares_one_time_is_no_gap():
    burst_ends = (np.arange(10_000) // 25 + 1) * 25
    found = segments((burst_ends * 1_250_000).astype(np.int64))
    assert [s.missed for s in found] == [0]
    assert found[0].rate_hz == pytest.approx(800, rel=1e-3)


def test_a_clock_that_drifts_is_followed():
    rows = np.arange(300_000)
    exact = rows * 1e6 * (1 + 5e-4 * rows / len(rows))
    found = segments(exact.astype(np.int64))
    assert not any(s.missed for s in found)
    assert max(abs(s.start_ns - exact[s.first]) for s in found) < 1e7
    assert found[-1].rate_hz < found[0].rate_hz


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    places=st.lists(st.integers(1, 19), unique=True, max_size=4),
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 2000)),
)
def test_blocks_are_the_same_rows_at_the_same_times_however_they_are_cut(
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
    t_ns = stamped(rng, 1000, 1e7, gaps)
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
    assert told[0][1] == lost_before(recording) == gaps
    assert told[0][2] == recording.clipped.tolist()


def test_a_block_has_rows(tmp_path: Path):
    recording = read(saved(tmp_path / "a.npz", samples=SAMPLES, rate_hz=1))
    with pytest.raises(ValueError, match="at least one row"):
        next(recording.blocks(0))


# --- fitting the model -----------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({}, None),
        ({"rate_hz": 104.0}, None),
        ({"unit": "m/s²"}, "it is in g and the model wants m/s²"),
        ({"rate_hz": 106.0}, "it was sampled at 100 Hz"),
        ({"channels": ("x",)}, "2 channels (x, y) and the model wants 1 (x)"),
        ({"channels": ("y", "x")}, "the channels x, y and the model wants y, x"),
        ({"window": 65}, "it has 64 rows"),
    ],
)
def test_why_a_recording_does_not_fit_a_model(
    tmp_path: Path, wanted: dict[str, object], why: str | None
):
    path = tmp_path / "a.npz"
    write_npz(
        path,
        samples=np.zeros((64, 2), np.float32),
        rate_hz=100,
        channels=("x", "y"),
        unit="g",
        start_ns=0,
    )
    fits = {
        "channels": ("x", "y"),
        "unit": "g",
        "rate_hz": 100.0,
        "window": 64,
        "hop": 8,
    }
    said = why_not(read(path), Input(**{**fits, **wanted}))
    assert said == why if why is None else why in (said or "")


# --- real recordings -------------------------------------------------------


@pytest.fixture
def data() -> Path:
    if "SENSORML_DATA" not in os.environ:
        pytest.skip("SENSORML_DATA does not name the folder of real recordings")
    return Path(os.environ["SENSORML_DATA"])


@pytest.mark.data
def test_a_polled_sensor_that_catches_up_has_lost_nothing(data: Path):
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
def test_seconds_that_are_rounded_hide_no_gap_of_minutes(data: Path):
    recording = read(data / "skab" / "other" / "2.csv")
    assert recording.rate_hz == pytest.approx(0.95, rel=0.01)
    assert lost_before(recording) == {104: 234}
