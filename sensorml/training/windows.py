"""Windows of recordings, and their features, means and levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensorml.errors import TrainingError
from sensorml.pipeline.extractor import SPECTRA_HZ, FeatureSpec, Signal, extractor
from sensorml.pipeline.ring import Ring, Windows
from sensorml.recordings import Recording, TableOptions, read
from sensorml.recordings.joining import APART_ROWS, read_each
from sensorml.schema import Decoder
from sensorml.types import Float32

ENOUGH: Final = 60
"""The number of windows that a model should be trained with."""
LEAST: Final = 30
"""The least number of windows for a model."""
LEAST_QUALITY: Final = 0.5
"""Share of samples below which a window is not learnt: it may span two files."""
_SHORTEST: Final = 16
_RATES_APART: Final = 0.05


class Cut(NamedTuple):
    """The cut of windows, in rows."""

    window: int
    hop: int


@dataclass(frozen=True, slots=True, eq=False)
class WindowFeatures:
    """The windows of one recording, or of several, in order of time."""

    features: Float32
    """(n, size), not standardised."""
    means: Float32
    """(n, channels)."""
    levels: Float32
    """(n, channels), RMS without DC."""
    quality: NDArray[np.float64]
    """(n,), share of samples that are there."""
    frozen: NDArray[np.bool_]
    """(n,), whether the sensor repeats one row."""

    def where(self, which: slice | NDArray[np.bool_]) -> WindowFeatures:
        """Return some of the windows."""
        return WindowFeatures(
            self.features[which],
            self.means[which],
            self.levels[which],
            self.quality[which],
            self.frozen[which],
        )


def windows(recording: Recording, *, window: int, hop: int | None = None) -> Windows:
    """Cut a recording into overlapping windows, as a model does.

    Args:
        recording: at least `window` rows.
        window: rows of a window.
        hop: rows from window to window; half a window when None.

    Returns:
        All windows. `data` has the shape (n, channels, window), in the unit of the
        recording; `start_ns` and `end_ns` are in UTC where the recording has times;
        `quality` is below 1 where rows are missing; `frozen` is not computed.

    Raises:
        TrainingError: the recording is too short, or the hop longer than the window.

    >>> import numpy as np
    >>> import sensorml
    >>> samples = np.arange(8, dtype=np.float32)[:, None]
    >>> recording = sensorml.from_array(samples, rate_hz=2.0, channels=["x"])
    >>> sensorml.windows(recording, window=4).data[:, 0].tolist()
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0], [4.0, 5.0, 6.0, 7.0]]
    """
    parts = [
        part._replace(data=part.data.copy())
        for part in _each(recording, _cut_of(window, hop))
    ]
    if not parts:
        raise TrainingError(
            f"{recording.path}: has {recording.rows} rows and no window of "
            f"{window}: choose a shorter window"
        )
    return Windows(
        data=np.concatenate([part.data for part in parts]),
        first=0,
        start_ns=tuple(at_ns for part in parts for at_ns in part.start_ns),
        end_ns=tuple(at_ns for part in parts for at_ns in part.end_ns),
        quality=tuple(share for part in parts for share in part.quality),
        whole=tuple(whole for part in parts for whole in part.whole),
        clipped=tuple(share for part in parts for share in part.clipped),
        frozen=tuple(frozen for part in parts for frozen in part.frozen),
    )


def features(
    recording: Recording,
    kind: str = "log_spectrum",
    *,
    window: int,
    hop: int | None = None,
    **keys: object,
) -> Float32:
    """Compute the features of a recording's windows, not standardised.

    Args:
        recording: at least `window` rows.
        kind: a file of `pipeline/features/`, or that of another package.
        window: rows of a window.
        hop: rows from window to window; half a window when None.
        keys: those of the table `[features]` of a model card that are to differ from
            the choice of `train`, as `bands=16`.

    Returns:
        Shape (windows, features), channel by channel (raw: sample by sample).

    Raises:
        PluginError: there is no such kind.
        ConfigError: with every key that is wrong.
        ModelError: the keys do not fit the window.
        TrainingError: the hop is longer than the window.

    >>> import numpy as np
    >>> import sensorml
    >>> samples = np.tile(np.float32([1, -1]), 50)[:, None]
    >>> recording = sensorml.from_array(samples, rate_hz=100.0, channels=["x"])
    >>> sensorml.features(recording, "statistics", window=50, values=["rms", "peak"])
    array([[1., 1.],
           [1., 1.],
           [1., 1.]], dtype=float32)
    """
    how = _cut_of(window, hop)
    usual = choose_features(FeatureSpec.of_kind(kind), [recording], how)
    decoder = Decoder("features")
    spec = decoder.table(msgspec.to_builtins(usual) | keys, type(usual), kind)
    decoder.raise_if_any()
    assert spec is not None  # noqa: S101 - None always comes with a problem
    return cut(recording, how, spec).features


def read_alike(
    files: Sequence[Path],
    channels: Sequence[str] | None,
    rate_hz: float | None,
    *,
    unit: str = "",
    table: TableOptions | None = None,
    join: bool = False,
    on_read: Callable[[Recording], None] = lambda _recording: None,
) -> list[Recording]:
    """Read recordings of the same sensor; with `join`, as one.

    Raises:
        RecordingError: one cannot be read.
        TrainingError: they are not of one sensor.
    """
    if not files:
        raise TrainingError("there is no recording to train with: give --normal FILE")
    recordings: list[Recording] = []
    reader = partial(read, channels=channels, rate_hz=rate_hz, unit=unit, table=table)
    for recording in read_each(files, reader, join=join):
        on_read(recording)
        recordings.append(recording)
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
    the recordings are too short for ENOUGH windows of that length.

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
    how = _cut_of(chosen, hop)
    count = _count(recordings, *how)
    if count < LEAST:
        _refuse_snippets(recordings, chosen, hop)
        seconds = (chosen + (ENOUGH - 1) * how.hop) / rate_hz
        raise TrainingError(
            f"the recordings hold {count} windows of {chosen} samples, at least "
            f"{LEAST} are needed: record {math.ceil(seconds)} s, or choose a shorter "
            "--window"
        )
    return how


def _refuse_snippets(
    recordings: Sequence[Recording], window: int, hop: int | None
) -> None:
    """Raise where shorter windows would be enough, because the files are short.

    Raises:
        TrainingError: with the window that fits.
    """
    rows = [end - first for each in recordings for first, end in parts(each)]
    if len(rows) < 2 or max(rows) >= window:
        return
    lengths = (
        f"{max(rows)}" if min(rows) == max(rows) else f"{min(rows)} to {max(rows)}"
    )
    for fits in (min(rows), *(1 << power for power in range(14, 0, -1))):
        step = min(hop or max(1, fits // 2), fits)
        if 2 <= fits < window and _count(recordings, fits, step) >= LEAST:
            raise TrainingError(
                f"the {len(rows)} recordings have {lengths} rows each, and a window of "
                f"{window} spans no two of them: choose --window {fits}, or record "
                "longer"
            )


def choose_features(
    kind: type[FeatureSpec],
    recordings: Sequence[Recording],
    how: Cut,
    bands: int | None = None,
) -> FeatureSpec:
    """Choose all numbers of a kind of feature but the standardisation."""
    spec = kind.for_training(signal_of(recordings[0], how), bands=bands)
    return spec.adapted(
        lambda spec: joined([cut(each, how, spec) for each in recordings]).features
    )


def signal_of(recording: Recording, how: Cut) -> Signal:
    """Return a recording's windows as features see them."""
    return Signal(
        len(recording.channels), how.window, recording.rate_hz, recording.unit
    )


def cut(
    recording: Recording, how: Cut, spec: FeatureSpec, frozen_rows: int = 0
) -> WindowFeatures:
    """Cut a recording as the pipeline does, and compute its features."""
    compute = extractor(spec, signal_of(recording, how))
    parts = [_empty(compute.size, len(recording.channels))]
    for part in _each(recording, how, frozen_rows):
        means = part.data.mean(axis=2)
        parts.append(
            WindowFeatures(
                compute(part.data, means),
                means,
                part.data.std(axis=2),
                np.array(part.quality),
                np.array(part.frozen),
            )
        )
    return joined(parts)


def joined(parts: Sequence[WindowFeatures]) -> WindowFeatures:
    return WindowFeatures(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.levels for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.frozen for part in parts]),
    )


def _cut_of(window: int, hop: int | None) -> Cut:
    step = hop or max(1, window // 2)
    if window < 2 or not 1 <= step <= window:
        raise TrainingError(
            f"window {window} and hop {step} are impossible: a window has at least 2 "
            "samples, a hop is between 1 and the window"
        )
    return Cut(window, step)


def _each(recording: Recording, how: Cut, frozen_rows: int = 0) -> Iterator[Windows]:
    """Yield the windows block by block; `data` is good until the next block."""
    ring = Ring(
        channels=len(recording.channels),
        window=how.window,
        hop=how.hop,
        frozen_rows=frozen_rows,
    )
    for block in recording.blocks():
        part = ring.push(block)
        if part is not None:
            yield part


def _count(recordings: Sequence[Recording], window: int, hop: int) -> int:
    """Return how many windows lie within one part of a recording."""
    return sum(
        max(0, (end - window) // hop - -(-first // hop) + 1)
        for recording in recordings
        for first, end in parts(recording)
    )


def parts(recording: Recording) -> list[tuple[int, int]]:
    """Return the first row and the end of each file, or log, in a recording."""
    return list(pairwise([0, *begins(recording), recording.rows]))


def begins(recording: Recording) -> list[int]:
    """Return the rows at which another file, or log, begins in a recording."""
    return [s.first for s in recording.segments if s.missed == APART_ROWS]


def _empty(size: int, channels: int) -> WindowFeatures:
    row = np.empty((0, channels), np.float32)
    none = np.empty(0, np.bool_)
    return WindowFeatures(np.empty((0, size), np.float32), row, row, np.empty(0), none)
