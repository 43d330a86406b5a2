"""`.wav`: PCM of 8, 16, 24 or 32 bit, and float of 32 or 64 bit.

PCM is scaled so that full scale is ±1 ("fs"). Samples of 8 bit are unsigned, longer
ones two's complement, little endian. Float is what it is: in the unit of the file's
comment if sensorml wrote it, else "fs".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.recordings import riff
from sensorml.recordings.counted import CountedFile
from sensorml.recordings.recording import (
    FULL_SCALE,
    MAX_VALUES,
    Recording,
    agreed_rate,
    at_full_scale,
    chosen,
    numbered,
    sound,
)
from sensorml.types import NO_ROWS

_WIDTHS = {riff.PCM: (8, 16, 24, 32), riff.FLOAT: (32, 64)}


def read(
    path: Path,
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,
    unit: str,  # noqa: ARG001 - a .wav has one
) -> Recording:
    """Read a file; its channels are named ch1, ch2 and so on if it does not name them.

    Raises:
        RecordingError: it has another encoding, or is not complete.
    """
    try:
        with CountedFile(path) as file:
            wave = riff.parse(file)
            file.seek(wave.first_byte)
            most = min(wave.size, MAX_VALUES * wave.bits // 8 + 1)
            raw = file.take(min(most, path.stat().st_size))
    except (OSError, ValueError) as err:
        raise RecordingError(
            f"{path}: is no complete .wav ({err}): copy it again, or convert it to "
            ".wav of 16 bit"
        ) from err
    _check(path, wave, len(raw))
    raw = raw[: len(raw) - len(raw) % wave.frame_bytes]
    remarks = wave.remarks
    if remarks and len(remarks.channels) != wave.channels:
        remarks = None
    names = remarks.channels if remarks else numbered(wave.channels)
    columns = chosen(path, names, names if channels is None else channels)
    exact = remarks is not None and max(1, round(remarks.rate_hz)) == wave.rate_hz
    integer = wave.code == riff.PCM
    if integer:
        counts = decode(raw, wave.bits).reshape(-1, wave.channels)[:, columns]
        samples = counts.astype(np.float32) / np.float32(1 << (wave.bits - 1))
        clipped = at_full_scale(counts, wave.bits)
    else:
        values = np.frombuffer(raw, f"<f{wave.bits // 8}")
        samples = values.reshape(-1, wave.channels)[:, columns].astype(np.float32)
        clipped = NO_ROWS
    return sound(
        path,
        samples,
        channels=names if channels is None else channels,
        unit=remarks.unit if remarks and not integer else FULL_SCALE,
        rate_hz=agreed_rate(
            path, remarks.rate_hz if remarks and exact else wave.rate_hz, rate_hz
        ),
        start_ns=remarks.start_ns if remarks else 0,
        clipped=clipped,
    )


def _check(path: Path, wave: riff.Wave, present: int) -> None:
    if wave.bits not in _WIDTHS.get(wave.code, ()):
        kind = {riff.PCM: "", riff.FLOAT: " float"}.get(wave.code, " compressed")
        raise RecordingError(
            f"{path}: has{kind} samples of {wave.bits} bit: convert it to .wav of 16 "
            "bit"
        )
    if wave.frame_bytes != wave.channels * wave.bits // 8:
        raise RecordingError(
            f"{path}: has {wave.frame_bytes} bytes for {wave.channels} channels of "
            f"{wave.bits} bit: convert it to .wav of 16 bit"
        )
    if wave.size * 8 > MAX_VALUES * wave.bits:
        raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
    if present < wave.size:
        raise RecordingError(
            f"{path}: has {present} bytes of samples, but {wave.size} by its header: "
            "copy it again, or repair the header"
        )


def decode(raw: bytes | bytearray, bits: int) -> NDArray[np.signedinteger]:
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
