"""Recordings cut into windows, with what training wants to know of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import TrainingError
from sensorml.pipeline.extractor import SPECTRA_HZ, FeatureSpec, Signal, extractor
from sensorml.pipeline.ring import Ring
from sensorml.recordings import Recording, read
from sensorml.types import Float32

ENOUGH: Final = 60
"""Windows that a model should be made of."""
LEAST: Final = 30
"""With fewer there is no model."""
_SHORTEST: Final = 16
_RATES_APART: Final = 0.05


class Cut(NamedTuple):
    """How windows are cut, in rows."""

    window: int
    hop: int


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The windows of one recording, in order of time."""

    features: Float32
    """(n, size), not standardised."""
    means: Float32
    """(n, channels)."""
    levels: Float32
    """(n, channels), RMS without DC."""
    quality: NDArray[np.float64]
    """(n,), share of samples that are there."""

    def rows(self, which: slice) -> Stretch:
        return Stretch(
            self.features[which],
            self.means[which],
            self.levels[which],
            self.quality[which],
        )


def read_alike(
    files: Sequence[Path], channels: Sequence[str] | None, rate_hz: float | None
) -> list[Recording]:
    """Read recordings of the same sensor.

    Raises:
        RecordingError: one cannot be read.
        TrainingError: they are not of one sensor.
    """
    if not files:
        raise TrainingError("there is no recording to learn from: give --normal FILE")
    recordings = [read(path, channels=channels, rate_hz=rate_hz) for path in files]
    first = recordings[0]
    for other in recordings[1:]:
        for what, a, b in (
            ("channels", ", ".join(other.channels), ", ".join(first.channels)),
            ("unit", other.unit or "none", first.unit or "none"),
        ):
            if a != b:
                raise TrainingError(
                    f"{other.path}: its {what} ({a}) differs from {first.path} ({b}): "
                    "train on recordings of one sensor"
                )
        if abs(other.rate_hz / first.rate_hz - 1) > _RATES_APART:
            raise TrainingError(
                f"{other.path}: was sampled at {other.rate_hz:.6g} Hz, {first.path} at "
                f"{first.rate_hz:.6g} Hz: train on recordings of one sample rate"
            )
    return recordings


def choose(recordings: Sequence[Recording], window: int | None, hop: int | None) -> Cut:
    """Choose window and hop, where they are not given, by sample rate and length.

    512 rows, 1024 above 1600 Hz, 32 of a slow process; half and half again where
    the recordings are too short for ENOUGH windows of it.

    Raises:
        TrainingError: they are too short for any, or for the one that is given.
    """
    rate_hz = recordings[0].rate_hz
    chosen = window or (
        32 if rate_hz < SPECTRA_HZ else 512 if rate_hz <= 1600 else 1024
    )
    while not window and chosen > _SHORTEST:
        if _count(recordings, chosen, hop or chosen // 2) >= ENOUGH:
            break
        chosen //= 2
    step = hop or max(1, chosen // 2)
    if chosen < 2 or not 1 <= step <= chosen:
        raise TrainingError(
            f"window {chosen} and hop {step} are impossible: a window has at least 2 "
            "samples, a hop is between 1 and the window"
        )
    found = _count(recordings, chosen, step)
    if found < LEAST:
        seconds = (chosen + (ENOUGH - 1) * step) / rate_hz
        raise TrainingError(
            f"the recordings hold {found} windows of {chosen} samples, at least "
            f"{LEAST} are needed: record {math.ceil(seconds)} s, or choose a shorter "
            "--window"
        )
    return Cut(chosen, step)


def _count(recordings: Sequence[Recording], window: int, hop: int) -> int:
    return sum(max(0, (len(r.samples) - window) // hop + 1) for r in recordings)


def signal_of(recording: Recording, how: Cut) -> Signal:
    """Return the windows of a recording as features see them."""
    return Signal(
        len(recording.channels), how.window, recording.rate_hz, recording.unit
    )


def cut(recording: Recording, how: Cut, spec: FeatureSpec) -> Stretch:
    """Cut a recording as the pipeline will, and compute its features."""
    channels = len(recording.channels)
    ring = Ring(channels=channels, window=how.window, hop=how.hop)
    compute = extractor(spec, signal_of(recording, how))
    parts = [_empty(compute.size, channels)]
    for block in recording.blocks():
        windows = ring.push(block)
        if windows is None:
            continue
        means = windows.data.mean(axis=2)
        parts.append(
            Stretch(
                compute(windows.data, means),
                means,
                windows.data.std(axis=2),
                np.array(windows.quality),
            )
        )
    return joined(parts)


def _empty(size: int, channels: int) -> Stretch:
    row = np.empty((0, channels), np.float32)
    return Stretch(np.empty((0, size), np.float32), row, row, np.empty(0))


def joined(parts: Sequence[Stretch]) -> Stretch:
    return Stretch(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.levels for part in parts]),
        np.concatenate([part.quality for part in parts]),
    )


def longest_still(samples: Float32) -> int:
    """Return the length of the longest run of identical rows.

    >>> longest_still(np.array([[1.0], [2.0], [2.0], [2.0], [1.0]], np.float32))
    3
    """
    changed = np.flatnonzero((samples[1:] != samples[:-1]).any(axis=1)) + 1
    return int(np.diff(np.concatenate(([0], changed, [len(samples)]))).max())
