"""Training: normal recordings in, a model folder out.

The first two thirds of each recording are learnt, and the last third sets the
threshold: in order of time, because neighbours in time are too alike to test each
other. The threshold is set through the pipeline that will run, int8 model included.
The same recordings and seed give the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

import sensorml
from sensorml.errors import TrainingError
from sensorml.inference.tflite import TfliteEngine
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files
from sensorml.pipeline.extractor import SPECTRA_HZ, FeatureSpec, significant
from sensorml.pipeline.model_card import Card
from sensorml.recordings import Recording, TableOptions
from sensorml.training import autoencoder
from sensorml.training.calibration import calibrate, learnt, scored
from sensorml.training.card_writer import card_text
from sensorml.training.folder import model_folder
from sensorml.training.missing import measured
from sensorml.training.objections import Objections
from sensorml.training.statistics import centre, gravity, threshold
from sensorml.training.windows import (
    LEAST_QUALITY,
    Cut,
    WindowFeatures,
    choose,
    choose_features,
    cut,
    joined,
    read_alike,
    signal_of,
)

_LEAST_STILL: Final = 16  # identical rows
_TIMES_USUAL: Final = 4  # the longest run of identical rows of a healthy sensor
_MANY_GAPS: Final = 0.2  # of the windows
_YEAR_2001_NS: Final = 978_307_200 * 10**9
_FIT_STEPS: Final = 20


class Trained(NamedTuple):
    """The result of `train`."""

    folder: Path
    card: Card
    fitted: int
    """Windows that the model was fitted to."""
    calibrated: int
    """Windows that set the threshold."""


def steps(files: int) -> int:
    """Return how often `train` calls `report` for that many files."""
    return 2 * files + _FIT_STEPS


def train(
    files: Sequence[Path | str],
    out: Path | str,
    *,
    window: int | None = None,
    hop: int | None = None,
    seed: int = 0,
    arch: str = "dense",
    features: str | None = None,
    bands: int | None = None,
    channels: Sequence[str] | None = None,
    rate_hz: float | None = None,
    unit: str = "",
    table: TableOptions | None = None,
    join: bool = False,
    name: str | None = None,
    force: bool = False,
    warn: Callable[[str], None] = lambda _what: None,
    on_read: Callable[[Recording], None] = lambda _recording: None,
    report: Callable[[str], None] = lambda _what: None,
) -> Trained:
    """Make a model folder of recordings of a healthy machine.

    Args:
        files: recordings, one or more for each operating state; a folder or a pattern
            stands for the recordings in it.
        out: the folder; a model that is there is replaced.
        window: rows of a window; by sample rate and length when None.
        hop: rows from window to window; half a window when None.
        seed: of the first weights and of the noise.
        arch: a name of `autoencoder.ARCHITECTURES`.
        features: the kind of features; when None, `log_spectrum` from 20 Hz on and
            `raw` below.
        bands: of a spectrum; up to 32 when None.
        channels: the columns to use, all when None.
        rate_hz: the sample rate, where the recordings have none.
        unit: of the samples, where the recordings have none.
        table: the time column of a table, its unit, and the rows to take.
        join: whether the files are one recording with gaps.
        name: of the model; that of the folder when None.
        force: train although the recordings or the threshold are refused; the card
            lists the objections.
        warn: called with each objection that does not end the training.
        on_read: called with each recording as soon as it is read.
        report: called at every step, `steps(len(files))` times, with its name.

    Raises:
        RecordingError: a recording cannot be read.
        TrainingError: the recordings or the options do not make a model.
        PluginError: there is no such kind of features.
        OutputError: the folder cannot be written.

    >>> import numpy as np
    >>> import sensorml
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> noise = np.random.default_rng(0).normal(size=(1200, 1)).astype(np.float32)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "normal.npz")
    ...     sensorml.write_npz(
    ...         path, samples=noise, rate_hz=100, channels=["x"], unit="g", start_ns=0
    ...     )
    ...     trained = sensorml.train([path], Path(folder, "model"), arch="small")
    >>> trained.card.features.__class__.__module__
    'sensorml.pipeline.features.log_spectrum'
    >>> trained.card.input.window, trained.fitted, trained.calibrated
    (32, 49, 25)
    """
    out = Path(out)
    if arch not in autoencoder.ARCHITECTURES:
        names = ", ".join(autoencoder.ARCHITECTURES)
        raise TrainingError(f"there is no architecture {arch!r}: use one of {names}")
    with model_folder(out) as folder:
        recordings = read_alike(
            [Path(file) for file in files],
            channels,
            rate_hz,
            unit=unit,
            table=table,
            join=join,
            on_read=on_read,
        )
        objections = Objections(force=force, warn=warn)
        usual_run = max([objections.to(recording) for recording in recordings])
        objections.settle()
        how = choose(recordings, window, hop)
        usual = "log_spectrum" if recordings[0].rate_hz >= SPECTRA_HZ else "raw"
        kind = FeatureSpec.of_kind(features or usual)
        spec = choose_features(kind, recordings, how, bands)
        frozen_rows = max(_LEAST_STILL, _TIMES_USUAL * usual_run)
        first: list[WindowFeatures] = []
        for recording in recordings:
            first.append(_first(cut(recording, how, spec, frozen_rows)))
            report(f"read {recording.path.name}")
        early = joined(first)
        if not len(early.features):
            raise TrainingError(
                f"each of the {len(recordings)} recordings holds one window of "
                f"{how.window} rows, or none: use --join, or choose a shorter --window"
            )
        model, spec = _model(
            early,
            spec,
            period=spec.prepare(signal_of(recordings[0], how)).period,
            arch=arch,
            seed=seed,
            report=report,
        )
        (folder / cards.CPU_FILE).write_bytes(model)
        digest = hashlib.sha256(model).hexdigest()
        card = Card(
            name=name or out.resolve().name,
            version=digest[:8],
            kind="anomaly",
            input=_input(recordings, how, early, frozen_rows),
            features=spec,
            threshold=cards.Threshold(value=0.0),  # until it is set, below
            baseline=_baseline(early, recordings[0].unit),
            files={cards.CPU_FILE: digest},
        )
        with contextlib.closing(
            TfliteEngine.load(folder / cards.CPU_FILE, card)
        ) as engine:
            parts = scored(recordings, card, engine, report)
            late = [() if part.frozen else part.late for part in parts]
            missing = measured(recordings, late, card, engine, seed=seed)
            scores, found = calibrate(parts, card, engine)
        for objection in found:
            objections.add(objection)
        objections.settle()
        card = msgspec.structs.replace(
            card,
            threshold=threshold(scores, _date(recordings[0])),
            missing=missing,
            provenance=_provenance(recordings, arch, seed, objections.passed_over),
        )
        (folder / cards.CARD).write_text(card_text(card), encoding="utf-8")
        card = model_files.load(folder)  # as a service will read it
    return Trained(out, card, len(early.features), len(scores))


def _first(windows: WindowFeatures) -> WindowFeatures:
    """Return the windows that the model is fitted to."""
    alive = windows.where(~windows.frozen & (windows.quality >= LEAST_QUALITY))
    return alive.where(slice(0, learnt(len(alive.features))))


def _model(
    early: WindowFeatures,
    spec: FeatureSpec,
    *,
    period: int,
    arch: str,
    seed: int,
    report: Callable[[str], None],
) -> tuple[bytes, FeatureSpec]:
    """Fit and quantise the model; return it and the features with mean and std."""
    rows = early.features.astype(np.float64)
    mean, std = centre(rows, period)
    if not std.all():
        raise TrainingError(
            "the recordings do not change: check that the sensor was measuring"
        )
    repeat = rows.shape[1] // period
    rows = ((rows - np.tile(mean, repeat)) / np.tile(std, repeat)).clip(-10, 10)
    layers = autoencoder.fit(
        rows,
        hidden=autoencoder.ARCHITECTURES[arch],
        seed=seed,
        report=lambda share: report(f"fit {share:.0%}"),
    )
    # Features that are never reconstructed well must not outweigh the others.
    residual = autoencoder.residual_std(layers, rows, period)
    layers = autoencoder.rescaled(layers, residual)
    spec = msgspec.structs.replace(
        spec,
        mean=tuple(significant(x) for x in mean.tolist()),
        std=tuple(significant(x) for x in (std * residual).tolist()),
    )
    return autoencoder.quantised(layers, rows / np.tile(residual, repeat)), spec


def _input(
    recordings: Sequence[Recording],
    how: Cut,
    early: WindowFeatures,
    frozen_rows: int,
) -> cards.Input:
    first = recordings[0]
    gaps = float(np.mean(early.quality < 1))
    return cards.Input(
        channels=first.channels,
        unit=first.unit,
        rate_hz=significant(first.rate_hz),
        window=how.window,
        hop=how.hop,
        min_quality=0.5 if gaps > _MANY_GAPS else 1.0,
        frozen_rows=frozen_rows,
    )


def _provenance(
    recordings: Sequence[Recording], arch: str, seed: int, forced: Sequence[str]
) -> cards.Provenance:
    return cards.Provenance(
        tool=f"sensorml {sensorml.__version__}",
        arch=arch,
        seed=seed,
        recordings=tuple(recording.path.name for recording in recordings),
        forced=tuple(forced),
    )


def _baseline(early: WindowFeatures, unit: str) -> cards.Baseline:
    level = np.sqrt(np.square(early.levels, dtype=np.float64).mean(axis=0))
    default = cards.Baseline()
    return cards.Baseline(
        level=tuple(significant(x) for x in level.tolist()),
        gravity=gravity(early.means, unit, default.max_tilt_deg),
    )


def _date(recording: Recording) -> str:
    """Return the date of the recording, else SOURCE_DATE_EPOCH, else today."""
    if recording.start_ns > _YEAR_2001_NS:
        at_s = recording.start_ns / 1e9
    elif stated := os.environ.get("SOURCE_DATE_EPOCH"):
        at_s = int(stated)
    else:
        return datetime.now(UTC).date().isoformat()
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()
