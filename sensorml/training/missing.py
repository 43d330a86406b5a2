"""The number of missing rows that a model can do without, measured on recordings.

Runs of rows are taken out of healthy recordings, the pipeline bridges them, and the
scores are compared with those of the whole windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from sensorml.interfaces import Engine
from sensorml.pipeline.model_card import Card, Missing
from sensorml.pipeline.pipeline import Pipeline
from sensorml.recordings import Recording
from sensorml.types import Block, Prediction

MOVES_SCORE: Final = 0.2
"""Missing rows do not matter while they move the score by less than this share."""
QUANTILE: Final = 0.95
"""Share of the windows for which that must hold."""

_MOST: Final = 1 / 16  # of a window: a handful among hundreds
_LEAST_WINDOWS: Final = 40
_ENOUGH_WINDOWS: Final = 400


def measured(
    recordings: Sequence[Recording],
    judged: Sequence[Sequence[Prediction]],
    card: Card,
    engine: Engine,
    *,
    seed: int,
) -> Missing:
    """Return the largest number of rows whose loss does not matter.

    Args:
        recordings: of the healthy machine; those with gaps are left out.
        judged: for each recording its last windows, which the model was not fitted to.
        card: of the model.
        engine: runs it.
        seed: of the places from which the rows are taken.
    """
    best = Missing()
    low, high = 0, int(card.input.window * _MOST)
    while low < high:
        rows = (low + high + 1) // 2
        trial = msgspec.structs.replace(card, missing=Missing(rows=rows))
        rng = np.random.default_rng(seed)
        moves = np.array(
            [
                move
                for recording, late in zip(recordings, judged, strict=True)
                if len(recording.segments) == 1
                for move in _moves(
                    recording,
                    late[: _ENOUGH_WINDOWS // len(recordings)],
                    Pipeline(trial, engine),
                    rng,
                )
            ]
        )
        if len(moves) < _LEAST_WINDOWS:
            return best
        if np.quantile(moves, QUANTILE) < MOVES_SCORE:
            low = rows
            best = Missing(rows=rows, moves_score=MOVES_SCORE, windows=len(moves))
        else:
            high = rows - 1
    return best


def _moves(
    recording: Recording,
    whole: Sequence[Prediction],
    pipeline: Pipeline,
    rng: np.random.Generator,
) -> Iterator[float]:
    """Yield by which share of it each score moves when its window lacks rows."""
    if not whole:
        return
    model_input = pipeline.card.input
    first = whole[0].window * model_input.hop
    rows = model_input.window + (len(whole) - 1) * model_input.hop
    lacking = [
        prediction
        for block in _with_gaps(recording, first, rows, pipeline.card, rng)
        for prediction in pipeline.step(block)
    ]
    for before, after in zip(whole, lacking, strict=False):
        if after.quality < 1 and before.score > 0:
            yield abs(after.score / before.score - 1)


def _with_gaps(
    recording: Recording, first: int, rows: int, card: Card, rng: np.random.Generator
) -> Iterator[Block]:
    """Yield rows of a recording without a run in every second window's length."""
    window, missed = card.input.window, card.missing.rows
    for at in range(first, first + rows, 2 * window):
        stop = min(at + 2 * window, first + rows)
        begin = at + int(rng.integers(window // 4, window))
        if begin + missed >= stop:
            yield recording.block(at, stop - at)
            continue
        yield recording.block(at, begin - at)
        after = recording.block(begin + missed, stop - begin - missed)
        yield replace(after, missed=missed)
