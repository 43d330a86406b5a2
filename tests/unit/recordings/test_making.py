"""The making of a recording: what is refused before it, and what stays after it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sensorml.errors import OutputError
from sensorml.recordings import read
from sensorml.recordings.making import NewRecording
from sensorml.recordings.recording import Labels
from sensorml.types import Block

NOON = 1_700_000_000_000_000_000
LABELS = Labels(channels=("x",), unit="g")


def block(value: float = 0.5) -> Block:
    return Block(np.full((100, 1), value, np.float32), NOON, 800.0)


def refusal(path: Path) -> str:
    with pytest.raises(OutputError) as caught:
        NewRecording(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def left_part(path: Path, *, rows: bool = True) -> None:
    with NewRecording(path) as recording:
        recording.begin(LABELS)
        if rows:
            recording.write(block(0.25))


def test_a_finished_recording_has_its_rows_and_no_part(tmp_path: Path):
    path = tmp_path / "motor.npz"
    path.write_text("an older one")
    with NewRecording(path) as recording:
        recording.begin(LABELS)
        recording.write(block())
        assert path.read_text() == "an older one"
        assert recording.finish() == ()
    assert len(read(path).samples) == 100
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_found_before_the_first_row(tmp_path: Path):
    assert "No such file or directory" in refusal(tmp_path / "none" / "motor.npz")
    assert "choose one of .npz" in refusal(tmp_path / "motor.txt")
    (tmp_path / "folder.npz").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    assert "is no regular file" in refusal(tmp_path / "pipe.npz")
    (tmp_path / "link.npz").symlink_to("/dev/null")
    assert "is no regular file" in refusal(tmp_path / "link.npz")
    with pytest.raises(OutputError, match="File name too long"):
        NewRecording(tmp_path / ("x" * 300 + ".npz"))


def test_a_planted_part_is_not_followed(tmp_path: Path):
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "motor.npz.part").symlink_to(target)
    refusal(tmp_path / "motor.npz")
    assert target.read_text() == "precious"


def test_a_part_of_another_program_stays_and_is_refused(tmp_path: Path):
    part = tmp_path / "motor.npz.part"
    part.write_text("half a download")
    assert "was not made by sensorml" in refusal(tmp_path / "motor.npz")
    assert part.read_text() == "half a download"


def test_two_processes_do_not_make_one_recording(tmp_path: Path):
    path = tmp_path / "motor.npz"
    with NewRecording(path) as recording:
        recording.begin(LABELS)
        assert "another process is making this recording" in refusal(path)
        recording.write(block())
        recording.finish()
    assert len(read(path).samples) == 100


def test_a_part_that_was_left_is_kept_under_a_free_name(tmp_path: Path):
    path = tmp_path / "motor.npz"
    (tmp_path / "motor-1.npz.part").write_text("an older one")
    left_part(path)
    with NewRecording(path) as recording:
        assert recording.kept == tmp_path / "motor-2.npz.part"
        recording.begin(LABELS)
        recording.write(block())
        recording.finish()
    assert read(tmp_path / "motor-2.npz.part").samples[0, 0] == 0.25
    assert read(path).samples[0, 0] == 0.5


def test_a_part_without_rows_is_replaced(tmp_path: Path):
    path = tmp_path / "motor.npz"
    left_part(path, rows=False)
    with NewRecording(path) as recording:
        assert recording.kept is None


def test_a_recording_that_cannot_be_finished_keeps_its_part(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "motor.npz"
    with NewRecording(path) as recording:
        recording.begin(LABELS)
        recording.write(block())
        path.mkdir()  # in the way of the rename
        with pytest.raises(OutputError):
            recording.finish()
    assert len(read(recording.part).samples) == 100
