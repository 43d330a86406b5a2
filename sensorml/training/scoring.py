"""Scores of recordings, from the same pipeline as those of the service."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sensorml import recordings
from sensorml.alarms.logic import AlarmLogic, vote_of_window
from sensorml.config.tables import Alarm
from sensorml.delegates.choice import open_engine
from sensorml.errors import NoChannelError, RecordingError
from sensorml.interfaces import Engine
from sensorml.pipeline import model_files
from sensorml.pipeline.model_card import Card, Input
from sensorml.pipeline.pipeline import Pipeline
from sensorml.recordings import Recording, TableOptions
from sensorml.training.windows import begins, parts
from sensorml.types import AlarmState, Prediction, State

BLOCK_WINDOWS = 64
"""Hops per block: enough windows at once that numpy's cost per call is small,
few enough that their spectra stay in the cache."""


@dataclass(slots=True)
class FileSummary:
    """The result of one recording."""

    file: str
    windows: int = 0
    anomalies: int = 0
    state: str = State.UNKNOWN.value
    """anomaly where an alarm with the default rule (3 of 5) would have come on;
    else the state of most windows."""


@dataclass(slots=True)
class Summary:
    """The result of all recordings, as `sensorml score --json` prints it."""

    delegate: str
    windows: int = 0
    samples: int = 0
    seconds: float = 0.0
    """Of reading, features, model and judgement."""
    files: list[FileSummary] = field(default_factory=list)
    stages_ns: dict[str, list[int]] = field(
        default_factory=lambda: {
            stage: [] for stage in ("features", "quantise", "invoke", "decide")
        }
    )

    @property
    def samples_per_s(self) -> float:
        return self.samples / self.seconds if self.seconds else 0.0


class LoadedModel:
    """A model folder that is ready to score; to be closed, or used in a `with` block.

    Attributes:
        card: the model card.
        delegate: "cpu", or the file of delegates/ whose device runs the model.
    """

    def __init__(self, card: Card, engine: Engine) -> None:
        self.card = card
        self.delegate = engine.delegate
        self._engine = engine

    def score(self, recording: Recording) -> list[Prediction]:
        """Return one prediction for each window, in order of time.

        Raises:
            RecordingError: the recording does not fit the model.
            DelegateError: the model cannot be run.
        """
        check(recording, self.card.input)
        summary = Summary(self.delegate)
        return list(score(recording, self.card, self._engine, summary))

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def load(folder: Path | str, *, delegate: str = "auto") -> LoadedModel:
    """Load a model folder.

    Args:
        folder: holds `model.toml` and the files that it names.
        delegate: "cpu" or a file of delegates/; "auto" is the CPU.

    Raises:
        ModelError: the folder or its model file was refused.
        DelegateError: the delegate cannot run the model.

    >>> import numpy as np
    >>> import sensorml
    >>> from sensorml.resources import folders
    >>> demo = folders("models")[0] / "demo"
    >>> still = np.tile(np.float32([0, 0, 1]), (1024, 1))
    >>> recording = sensorml.from_array(
    ...     still, rate_hz=800, channels=["x", "y", "z"], unit="g"
    ... )
    >>> with sensorml.load(demo) as model:
    ...     predictions = model.score(recording)
    >>> len(predictions), predictions[0].state.value, predictions[0].reason
    (3, 'unknown', 'frozen: the sensor repeats the same sample')
    """
    folder = Path(folder)
    card = model_files.load(folder)
    return LoadedModel(card, open_engine(folder, card, delegate=delegate))


def read(
    path: Path,
    card: Card,
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,
    unit: str | None = None,
    table: TableOptions | None = None,
) -> Recording:
    """Read a recording for a model, in the unit of the model; `check` it then.

    Without `channels`, those that the model was trained on are taken, where the file
    has them; chosen channels count by their order, not by their names.

    Raises:
        RecordingError: it cannot be read.
    """
    model_input = card.input

    def read_channels(names: Sequence[str] | None) -> Recording:
        return recordings.read(
            path,
            channels=names,
            rate_hz=rate_hz,
            unit=unit or "",
            table=table,
        )

    if channels is not None:
        recording = replace(read_channels(channels), channels=model_input.channels)
    else:
        try:
            recording = read_channels(model_input.channels)
        except NoChannelError:
            recording = read_channels(None)
    if not recording.unit:  # as the model's, where neither file nor user has one
        return replace(recording, unit=model_input.unit)
    return recording.converted(model_input.unit)


def check(recording: Recording, model_input: Input) -> None:
    """Raise an error where a recording does not fit a model.

    Raises:
        RecordingError: with the reason.
    """
    reason = model_input.why_not(
        channels=recording.channels,
        unit=recording.unit,
        rate_hz=recording.rate_hz,
        rows=max(end - first for first, end in parts(recording)),
    )
    if reason is not None:
        raise RecordingError(f"{recording.path}: {reason}")


def score(
    recording: Recording, card: Card, engine: Engine, summary: Summary
) -> Iterator[Prediction]:
    """Yield the predictions of one recording; add to the summary meanwhile."""
    pipeline = Pipeline(card, engine)
    others = begins(recording)
    file = FileSummary(str(recording.path))
    summary.files.append(file)
    alarm = AlarmLogic(Alarm(name="default", model=card.name))
    counts = dict.fromkeys(State, 0)
    alarmed = False
    begun = time.perf_counter()
    for block in recording.blocks(rows=BLOCK_WINDOWS * card.input.hop):
        predictions = [
            p for p in pipeline.step(block) if not _spans(p, others, card.input)
        ]
        for prediction in predictions:
            alarm.vote(prediction.end_ns, vote_of_window(alarm.rule, prediction), "")
            alarmed |= alarm.state is AlarmState.ALARM
            counts[prediction.state] += 1
            file.anomalies += prediction.score > prediction.threshold
        if predictions:
            _add_stages(summary, predictions)
        summary.seconds += time.perf_counter() - begun
        yield from predictions
        begun = time.perf_counter()
    file.windows = sum(counts.values())
    if alarmed:
        file.state = State.ANOMALY.value
    elif file.windows:
        file.state = max(counts, key=lambda state: counts[state]).value
    summary.windows += file.windows
    summary.samples += recording.rows


def _spans(window: Prediction, others: Sequence[int], model_input: Input) -> bool:
    """Return whether a window has rows of two files, or logs, that were joined."""
    first = window.window * model_input.hop
    at = bisect_right(others, first)
    return at < len(others) and others[at] < first + model_input.window


def _add_stages(summary: Summary, predictions: Sequence[Prediction]) -> None:
    """Add the durations of a block, which all of its windows share."""
    one = predictions[0]
    stages_ns = {
        "features": one.features_ns,
        "quantise": one.quantise_ns,
        "invoke": one.invoke_ns,
        "decide": one.decide_ns,
    }
    for stage, spent_ns in stages_ns.items():
        summary.stages_ns[stage].extend([spent_ns] * len(predictions))
