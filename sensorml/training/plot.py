"""Figures of recordings and their scores, with matplotlib (the extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sensorml.errors import MissingExtraError
from sensorml.recordings import Recording
from sensorml.types import Prediction, State

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    State.NORMAL: "tab:green",
    State.ANOMALY: "tab:red",
    State.BASELINE_MISMATCH: "tab:orange",
    State.UNKNOWN: "tab:grey",
}


def plot(recording: Recording, predictions: Sequence[Prediction] = ()) -> Figure:
    """Draw the samples of a recording over time, and below them its scores.

    Args:
        recording: the samples, in their unit.
        predictions: the result of `LoadedModel.score` for this recording.

    Returns:
        A figure that belongs to no window: a notebook shows it, `savefig` writes it.

    Raises:
        MissingExtraError: matplotlib is not installed.

    >>> import numpy as np
    >>> import sensorml
    >>> samples = np.zeros((8, 2), np.float32)
    >>> recording = sensorml.from_array(samples, rate_hz=2.0, channels=["x", "y"])
    >>> figure = sensorml.plot(recording)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['x', 'y']
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            "plots need matplotlib: install it with pip install 'sensorml[plot]'"
        ) from err
    figure = Figure(figsize=(10, 6 if predictions else 3), layout="constrained")
    axes = figure.subplots(2 if predictions else 1, sharex=True, squeeze=False)[:, 0]
    _samples(axes[0], recording)
    if predictions:
        _scores(axes[1], recording.start_ns, predictions)
    axes[-1].set_xlabel("time in s")
    return figure


def _samples(axes: Axes, recording: Recording) -> None:
    blocks = list(recording.blocks())
    times_s = np.concatenate(
        [
            (block.start_ns - recording.start_ns) / 1e9
            + np.arange(len(block.samples)) / block.rate_hz
            for block in blocks
        ]
    )
    for number, name in enumerate(recording.channels):
        axes.plot(times_s, recording.samples[:, number], label=name, linewidth=0.5)
    axes.set_ylabel(recording.unit or "value")
    axes.legend(loc="upper right")


def _scores(axes: Axes, start_ns: int, predictions: Sequence[Prediction]) -> None:
    """Draw one point a window, at its end, in the colour of its state."""
    for state, colour in _COLOURS.items():
        chosen = [p for p in predictions if p.state is state]
        if chosen:
            times_s = [(p.end_ns - start_ns) / 1e9 for p in chosen]
            scores = [p.score for p in chosen]
            axes.plot(times_s, scores, ".", color=colour, label=state.value)
    axes.axhline(predictions[0].threshold, color="black", linewidth=0.8)
    axes.set_ylabel("score")
    axes.legend(loc="upper right")
