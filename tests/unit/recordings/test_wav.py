"""Recordings as PCM sound files."""

from __future__ import annotations

import contextlib
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert recording.clipped[:].tolist() == [1, 2]
    assert (recording.unit, recording.rate_hz) == ("fs", 8000)
    assert recording.channels == ("ch1", "ch2")
    assert read(tmp_path / "a.wav", channels=("ch2",)).clipped[:].tolist() == [2]


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


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return name + length.to_bytes(4, "little") + content + bytes(len(content) % 2)


def riff(*chunks: bytes, kind: bytes = b"RIFF", size: int = 0) -> bytes:
    return kind + size.to_bytes(4, "little") + b"WAVE" + b"".join(chunks)


def form(code: int, channels: int, bits: int, extension: bytes = b"") -> bytes:
    frame = channels * bits // 8
    fields = struct.pack("<HHIIHH", code, channels, 8000, 8000 * frame, frame, bits)
    return chunk(b"fmt ", fields + extension)


@pytest.mark.parametrize("bits", [32, 64])
def test_float_is_what_it_is(tmp_path: Path, bits: int):
    samples = np.array([[0.5, -16.0], [1e-6, 3.0]], f"<f{bits // 8}")
    path = tmp_path / "a.wav"
    data = chunk(b"data", samples.tobytes())
    path.write_bytes(riff(form(3, 2, bits), chunk(b"odd ", b"abc"), data))
    recording = read(path)
    assert np.array_equal(recording.samples, samples.astype(np.float32))
    assert (recording.unit, recording.rate_hz) == ("fs", 8000)
    assert not len(recording.clipped)


def test_an_extensible_file_is_what_its_subformat_says(tmp_path: Path):
    guid = bytes.fromhex("0000000010008000 00aa00389b71")
    counts = np.array([[1, 2, 3], [4, 5, 6]], "<i2")
    extension = struct.pack("<HHIH", 22, 16, 7, 1) + guid
    path = tmp_path / "a.wav"
    data = chunk(b"data", counts.tobytes())
    path.write_bytes(riff(form(0xFFFE, 3, 16, extension), data))
    assert read(path).samples[1, 2] == 6 / 2**15


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_recorder_that_was_killed_left_no_size(tmp_path: Path, size: int):
    counts = np.arange(10, dtype="<i2")
    data = chunk(b"data", counts.tobytes() + b"\1", size)
    path = tmp_path / "a.wav"
    path.write_bytes(riff(form(1, 1, 16), data[:-1]))
    assert len(read(path).samples) == 10


def test_a_comment_of_another_program_is_none_of_ours(tmp_path: Path):
    samples = np.ones((4, 2), "<f4")
    path = tmp_path / "a.wav"
    for comment in (b"made with care", b'{"unit": "g"}', b""):
        info = chunk(b"LIST", b"INFO" + chunk(b"ICMT", comment))
        data = chunk(b"data", samples.tobytes())
        path.write_bytes(riff(form(3, 2, 32), info, data))
        assert (read(path).unit, read(path).channels) == ("fs", ("ch1", "ch2"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"RIFF", "ends early"),
        (b"ID3\4" + bytes(100), "does not begin with RIFF and WAVE"),
        (riff(form(1, 1, 16)), "ends early"),
        (riff(chunk(b"data", bytes(8))), "ends early"),
        (riff(form(1, 0, 16), chunk(b"data", bytes(8))), "no channels"),
        (riff(form(2, 1, 4), chunk(b"data", bytes(8))), "compressed samples of 4"),
        (riff(form(3, 1, 16), chunk(b"data", bytes(8))), "float samples of 16"),
    ],
)
def test_what_is_no_wav_is_one_sentence(tmp_path: Path, content: bytes, what: str):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert what in refusal(path)


@given(st.binary(max_size=200), st.integers(0, 60), st.binary(max_size=8))
def test_damage_is_a_refusal_or_a_recording(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, at: int, to: bytes
):
    whole = bytearray(riff(form(3, 2, 32), chunk(b"data", bytes(64))) + tail)
    whole[at : at + len(to)] = to
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    path.write_bytes(whole)
    with contextlib.suppress(RecordingError):
        assert len(read(path).samples)
