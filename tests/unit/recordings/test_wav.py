"""Recordings as PCM sound files."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from sensorml.errors import RecordingError
from sensorml.recordings import read


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


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(RecordingError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


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


def test_a_wav_that_ends_early_is_refused(tmp_path: Path):
    path = pcm(tmp_path / "a.wav", np.zeros((100, 1)), 2)
    path.write_bytes(path.read_bytes()[:-50])
    assert "but 200 by its header" in refusal(path)


def test_a_wav_of_an_impossible_width_is_refused(tmp_path: Path):
    path = pcm(tmp_path / "a.wav", np.zeros((100, 1)), 2)
    header = bytearray(path.read_bytes())
    header[34] = 40  # bits of a sample
    path.write_bytes(header)
    assert "samples of 40 bit" in refusal(path)
