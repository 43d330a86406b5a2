"""Folders and patterns of files as one recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorml.errors import RecordingError
from sensorml.pipeline.ring import Ring
from sensorml.recordings import Recording, read, write_npz
from sensorml.recordings.joining import APART_ROWS, expanded, joined

NOON_NS = 1_700_000_000_000_000_000
RATE_HZ = 100.0


def snippet(folder: Path, name: str, first_row: int, rows: int, **keys: object) -> Path:
    path = folder / name
    options: dict[str, object] = {
        "rate_hz": RATE_HZ,
        "channels": ["x"],
        "unit": "g",
        "start_ns": NOON_NS + first_row * 10_000_000,
    }
    write_npz(
        path,
        samples=np.arange(first_row, first_row + rows, dtype=np.float32)[:, None],
        **{**options, **keys},
    )
    return path


def join(paths: list[Path]) -> Recording:
    return joined(Path("folder"), [read(path) for path in paths])


def refusal(paths: list[Path]) -> str:
    with pytest.raises(RecordingError) as caught:
        join(paths)
    return str(caught.value)


def test_files_that_follow_one_another_have_no_gap(tmp_path: Path):
    first = snippet(tmp_path, "b.npz", 0, 60)
    second = snippet(tmp_path, "a.npz", 60, 40)
    recording = join([second, first])
    assert recording.samples[:, 0].tolist() == list(range(100))
    assert [part.missed for part in recording.segments] == [0, 0]
    assert recording.start_ns == NOON_NS
    ring = Ring(channels=1, window=100, hop=100)
    cut = [w for block in recording.blocks() if (w := ring.push(block)) is not None]
    assert cut[0].quality == (1.0,)
    assert recording.notes[0] == "joined: 2 files by their times, 0 gaps"


def test_the_rows_between_two_files_are_missed(tmp_path: Path):
    paths = [snippet(tmp_path, "a.npz", 0, 50), snippet(tmp_path, "b.npz", 57, 50)]
    recording = join(paths)
    assert [part.missed for part in recording.segments] == [0, 7]
    blocks = list(recording.blocks())
    assert blocks[1].missed == 7
    assert blocks[1].start_ns - blocks[0].start_ns == 570_000_000


def test_no_window_spans_files_without_dates(tmp_path: Path):
    paths = [snippet(tmp_path, f"{i}.npz", 50 * i, 50, start_ns=0) for i in range(3)]
    recording = join(paths)
    assert [part.missed for part in recording.segments] == [0, APART_ROWS, APART_ROWS]
    starts = [block.start_ns for block in recording.blocks()]
    assert np.diff(starts).min() > 50 * 10_000_000


def test_files_that_overlap_are_refused(tmp_path: Path):
    paths = [snippet(tmp_path, "a.npz", 0, 50), snippet(tmp_path, "b.npz", 40, 50)]
    assert "b.npz: begins 0.1 s before" in refusal(paths)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"channels": ["y"]}, "its channels (y) differs"),
        ({"unit": "m/s^2"}, "its unit (m/s^2) differs"),
        ({"rate_hz": 200.0}, "was sampled at 200 Hz"),
    ],
)
def test_files_of_different_sensors_are_refused(tmp_path: Path, keys, what: str):
    paths = [
        snippet(tmp_path, "a.npz", 0, 50),
        snippet(tmp_path, "b.npz", 90, 50, **keys),
    ]
    assert what in refusal(paths)


def test_clipped_rows_keep_their_places(tmp_path: Path):
    paths = []
    for i in range(2):
        path = tmp_path / f"{i}.npz"
        counts = np.zeros((20, 1), np.int16)
        counts[3 + i] = 32767
        np.savez(
            path,
            samples=counts,
            rate_hz=RATE_HZ,
            start_ns=NOON_NS + i * 1_000_000_000,
        )
        paths.append(path)
    assert join(paths).clipped[:].tolist() == [3, 24]


def test_a_folder_is_the_recordings_in_it(tmp_path: Path):
    names = ["x10.csv", "x9.csv.gz", "x9.wav", ".hidden.csv", "notes.md"]
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / "sub.csv").mkdir()
    found = [path.name for path in expanded(tmp_path)]
    assert found == ["x9.csv.gz", "x9.wav", "x10.csv"]


def test_a_pattern_is_the_recordings_that_match(tmp_path: Path):
    (tmp_path / "fan").mkdir()
    for name in ("fan/a.csv", "fan/b.npz", "c.csv"):
        (tmp_path / name).write_text("")
    found = expanded(tmp_path / "**" / "*.csv")
    assert [path.name for path in found] == ["c.csv", "a.csv"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path):
    path = tmp_path / "motor[1].csv"
    path.write_text("")
    assert expanded(path) == [path]


@pytest.mark.parametrize("name", ["", "*.csv"])
def test_a_folder_or_pattern_without_recordings_is_refused(tmp_path: Path, name: str):
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(RecordingError, match="no recording"):
        expanded(tmp_path / name if name else tmp_path)
