"""Scores that set the threshold, and the objections to them.

The threshold is a quantile of the scores of windows that the model was not fitted to.
Healthy recordings give 1.5 to 5 times the median score, one with faults in it gave 21.
A clock, a stepped channel or a part in which the sensor had failed give 900 to 10⁸,
and then no fault reaches the threshold. Likewise the median of those windows is 1 to
3 times that of the learnt ones in healthy recordings, and was 40 to 2,000 otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import Reason, TrainingError
from sensorml.interfaces import Engine
from sensorml.pipeline.extractor import extractor
from sensorml.pipeline.model_card import Card
from sensorml.pipeline.pipeline import FROZEN, Pipeline
from sensorml.recordings import Recording
from sensorml.training.objections import Objection
from sensorml.training.statistics import MARGIN, QUANTILE, Float64
from sensorml.training.windows import LEAST_QUALITY, Cut, cut
from sensorml.types import Prediction

_LEAST_SCORES: Final = 10
_YEAR_2001_NS: Final = 978_307_200 * 10**9
_HIGH: Final = (10.0, 100.0)
"""Threshold over the median score: from which on it is doubtful, and refused."""
_APART: Final = (5.0, 20.0)
"""Median score over that of the learnt windows, likewise."""
_LEAST_APART: Final = 5  # windows that have a median


class Scored(NamedTuple):
    """One recording, scored by its own model."""

    recording: Recording
    learnt: tuple[Prediction, ...]
    late: tuple[Prediction, ...]
    """The windows that the model was not fitted to."""
    frozen: int
    """Windows that were left out because the sensor was frozen."""


class Calibration(NamedTuple):
    """The scores of all recordings."""

    scores: Float64
    """Of the windows that the model was not fitted to."""
    objections: tuple[Objection, ...]


def learnt(windows: int) -> int:
    """Return how many windows of a recording are fitted."""
    return windows * 2 // 3


def scored(
    recordings: Sequence[Recording],
    card: Card,
    engine: Engine,
    report: Callable[[str], None],
) -> tuple[Scored, ...]:
    """Score recordings with the model that was fitted to their first windows."""
    parts = []
    for recording in recordings:
        pipeline = Pipeline(card, engine)
        judged = [p for block in recording.blocks() for p in pipeline.step(block)]
        moving = [p for p in judged if p.reason != FROZEN]
        frozen = len(judged) - len(moving)
        alive = [p for p in moving if p.quality >= LEAST_QUALITY]
        at = learnt(len(alive))
        parts.append(Scored(recording, tuple(alive[:at]), tuple(alive[at:]), frozen))
        report(f"calibrate on {recording.path.name}")
    return tuple(parts)


def calibrate(parts: Sequence[Scored], card: Card, engine: Engine) -> Calibration:
    """Collect the scores that set the threshold, and the objections to them.

    Raises:
        TrainingError: too few windows are left to set the threshold by.
    """
    scores = np.concatenate([_numbers(part.late) for part in parts])
    if len(scores) < _LEAST_SCORES:
        raise TrainingError(
            f"only {len(scores)} windows are left to set the threshold by, at least "
            f"{_LEAST_SCORES} are needed: make recordings that are longer or have "
            "fewer gaps"
        )
    found = [_high(parts, scores, card, engine)]
    found += [_apart(part, card, engine) for part in parts]
    return Calibration(scores, tuple(each for each in found if each is not None))


def _numbers(windows: Sequence[Prediction]) -> Float64:
    """Return the scores of the windows that were given to the model."""
    return np.array([p.score for p in windows if not math.isnan(p.score)])


def _high(
    parts: Sequence[Scored], scores: Float64, card: Card, engine: Engine
) -> Objection | None:
    """Compare the threshold with the median score."""
    median = float(np.median(scores))
    threshold = float(np.quantile(scores, QUANTILE)) * MARGIN
    if threshold <= _HIGH[0] * median:
        return None
    _, part, worst = max(
        (window.score, number, window)
        for number, part in enumerate(parts)
        for window in part.late
        if not math.isnan(window.score)
    )
    recording = parts[part].recording
    where = _place(recording, worst, card, engine)
    return Objection(
        recording.path,
        Reason(
            f"the threshold would be {threshold / median:,.0f} times the median score "
            f"(2 to 5 in healthy recordings), because of {where}",
            "look at it with sensorml inspect --plot, and leave that part or channel "
            "out",
        ),
        refused=threshold > _HIGH[1] * median,
    )


def _apart(part: Scored, card: Card, engine: Engine) -> Objection | None:
    """Compare the windows that set the threshold with those that are learnt."""
    learnt, late = _numbers(part.learnt), _numbers(part.late)
    if min(len(learnt), len(late)) < _LEAST_APART:
        return None
    before, after = float(np.median(learnt)), float(np.median(late))
    if after <= _APART[0] * before:
        return None
    refused = after > _APART[1] * before and _inputs_differ(part, card)
    alive = [p for p in part.late if not math.isnan(p.score)]
    middle = min(alive, key=lambda p: abs(p.score - after))
    return Objection(
        part.recording.path,
        Reason(
            f"its last third has {after / before:,.0f} times the median score of what "
            "was learnt (about 1 in healthy recordings), as has "
            f"{_place(part.recording, middle, card, engine)}",
            "record longer, and each state of the machine in a recording of its own",
        ),
        refused=refused,
    )


def _inputs_differ(part: Scored, card: Card) -> bool:
    """Return whether the late windows are unlike the learnt ones before any model.

    A model that was fitted to few windows knows these too well: all others then have
    a high score, although they are alike.
    """
    how = Cut(card.input.window, card.input.hop)
    rows = cut(part.recording, how, card.features).features
    unusual = np.square(rows, dtype=np.float64).mean(axis=1)
    before, after = (
        float(np.median(unusual[[p.window for p in windows]]))
        for windows in (part.learnt, part.late)
    )
    return after > _APART[0] * before


def _place(recording: Recording, window: Prediction, card: Card, engine: Engine) -> str:
    """Describe a window: its number, time, rows, and the channel that scores most."""
    first = window.window * card.input.hop
    rows = f"rows {first + 1} to {first + card.input.window}"
    return (
        f"window {window.window} at {_time(recording, window)} ({rows}), "
        f"mostly channel {_channel(recording, first, card, engine)!r}"
    )


def _channel(recording: Recording, first: int, card: Card, engine: Engine) -> str:
    """Return the channel with the largest part in the score of a window."""
    rows = recording.data[first : first + card.input.window]
    data = np.ascontiguousarray(rows.T[None])
    features = extractor(card.features, card.signal)(data, data.mean(axis=2))
    outputs, _, _ = engine.infer(features)
    residual = np.square(features - outputs.reshape(features.shape))[0]
    channels = len(card.input.channels)
    if card.features.prepare(card.signal).period == channels:  # sample by sample
        parts = residual.reshape(-1, channels).sum(axis=0)
    else:
        parts = np.array([part.sum() for part in np.array_split(residual, channels)])
    return card.input.channels[int(parts.argmax())]


def _time(recording: Recording, window: Prediction) -> str:
    if window.start_ns > _YEAR_2001_NS:
        at = datetime.fromtimestamp(window.start_ns // 10**9, UTC)
        return at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{(window.start_ns - recording.start_ns) / 1e9:.6g} s"
