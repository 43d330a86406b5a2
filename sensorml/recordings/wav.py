"""`.wav`: PCM of 8, 16, 24 or 32 bit, and float of 32 or 64 bit.

PCM is scaled so that full scale is ±1 ("fs"). Samples of 8 bit are unsigned, longer
ones two's complement, little endian. Float is what it is: in the unit of the file's
comment if sensorml wrote it, else "fs".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.recordings import riff
from sensorml.recordings.counted import CountedFile
from sensorml.recordings.recording import (
    FULL_SCALE,
    MAX_VALUES,
    Labels,
    Recording,
    agreed_rate,
    at_full_scale,
    chosen,
    numbered,
    sound,
)
from sensorml.types import NO_ROWS

_WIDTHS = {riff.PCM: (8, 16, 24, 32), riff.FLOAT: (32, 64)}


class _File(NamedTuple):
    """A file without its samples."""

    wave: riff.Wave
    names: tuple[str, ...]
    unit: str
    rate_hz: float
    start_ns: int


def labels(
    path: Path,
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,
    unit: str,  # noqa: ARG001 - a .wav has one
) -> Labels:
    """Read the header.

    Raises:
        RecordingError: as `read`.
    """
    file = _opened(path)
    agreed_rate(path, file.rate_hz, rate_hz)
    names = file.names if channels is None else tuple(channels)
    chosen(path, file.names, names)
    return Labels(names, file.unit)


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
    file = _opened(path)
    wave = file.wave
    names = file.names if channels is None else tuple(channels)
    columns = chosen(path, file.names, names)
    try:
        with CountedFile(path) as samples_of:
            samples_of.seek(wave.first_byte)
            raw = samples_of.take(wave.size - wave.size % wave.frame_bytes)
    except OSError as err:
        raise _incomplete(path, err) from err
    if wave.code == riff.PCM:
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
        channels=names,
        unit=file.unit,
        rate_hz=agreed_rate(path, file.rate_hz, rate_hz),
        start_ns=file.start_ns,
        clipped=clipped,
    )


def _opened(path: Path) -> _File:
    """Read the header and check it.

    Raises:
        RecordingError: it has another encoding, or is not complete.
    """
    try:
        with path.open("rb") as file:
            wave = riff.parse(file)
    except (OSError, ValueError) as err:
        raise _incomplete(path, err) from err
    _check(path, wave)
    remarks = wave.remarks
    if remarks is None or len(remarks.channels) != wave.channels:
        return _File(wave, numbered(wave.channels), FULL_SCALE, wave.rate_hz, 0)
    exact = max(1, round(remarks.rate_hz)) == wave.rate_hz
    return _File(
        wave,
        remarks.channels,
        FULL_SCALE if wave.code == riff.PCM else remarks.unit,
        remarks.rate_hz if exact else wave.rate_hz,
        remarks.start_ns,
    )


def _incomplete(path: Path, err: Exception) -> RecordingError:
    return RecordingError(
        f"{path}: is no complete .wav ({err}): copy it again, or convert it to .wav of "
        "16 bit"
    )


def _check(path: Path, wave: riff.Wave) -> None:
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
    if wave.present < wave.size:
        raise RecordingError(
            f"{path}: has {wave.present} bytes of samples, but {wave.size} by its "
            "header: copy it again, or repair the header"
        )
    if wave.size * 8 > MAX_VALUES * wave.bits:
        raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")


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
