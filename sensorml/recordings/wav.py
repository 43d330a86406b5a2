"""`.wav`: PCM of 8, 16, 24 or 32 bit, scaled so that full scale is ±1 ("fs").

Samples of 8 bit are unsigned, longer ones two's complement, little endian
(IBM and Microsoft, Multimedia Programming Interface 1.0, chapter 3).
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.recordings.recording import (
    MAX_VALUES,
    Recording,
    at_full_scale,
    chosen,
    numbered,
    sound,
)

UNIT = "fs"


def read(
    path: Path,
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,  # noqa: ARG001 - a .wav always has a rate
    unit: str,  # noqa: ARG001
) -> Recording:
    """Read a PCM file; its channels are named ch1, ch2 and so on.

    Raises:
        RecordingError: it is not a PCM file, or not complete.
    """
    try:
        with path.open("rb") as file, wave.open(file) as pcm:
            form = pcm.getparams()
            longest = MAX_VALUES // form.nchannels
            raw = pcm.readframes(min(form.nframes, longest))
    except (OSError, EOFError, RuntimeError, wave.Error) as err:
        # wave raises RuntimeError for a chunk that is longer than the file.
        raise RecordingError(
            f"{path}: is not complete PCM ({str(err) or 'it ends early'}): "
            "convert it to .wav of 16 bit"
        ) from err
    bits = 8 * form.sampwidth
    if bits not in {8, 16, 24, 32}:
        raise RecordingError(
            f"{path}: has samples of {bits} bit: convert it to .wav of 16 bit"
        )
    if form.nframes > longest:
        raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
    expected = form.nframes * form.nchannels * form.sampwidth
    if len(raw) != expected:
        raise RecordingError(
            f"{path}: has {len(raw)} bytes of samples, but {expected} by its header: "
            "copy it again, or repair the header"
        )
    counts = decode(raw, bits).reshape(-1, form.nchannels)
    names = numbered(form.nchannels)
    if channels is not None:
        counts = counts[:, chosen(path, names, channels)]
    return sound(
        path,
        counts.astype(np.float32) / np.float32(1 << (bits - 1)),
        channels=names if channels is None else channels,
        unit=UNIT,
        rate_hz=form.framerate,
        clipped=at_full_scale(counts, bits),
    )


def decode(raw: bytes, bits: int) -> NDArray[np.signedinteger]:
    """Return PCM bytes as counts around zero.

    >>> decode(bytes([0, 128, 255]), 8).tolist()
    [-128, 0, 127]
    >>> decode(bytes([0xFF, 0xFF, 0xFF, 0, 0, 0x80]), 24).tolist()
    [-1, -8388608]
    """
    if bits == 8:
        return np.frombuffer(raw, np.uint8).astype(np.int16) - np.int16(128)
    if bits == 24:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0] >> 8
    return np.frombuffer(raw, f"<i{bits // 8}")
