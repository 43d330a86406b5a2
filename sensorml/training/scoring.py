"""Run a model over recordings, through the very pipeline of the service."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sensorml import recordings
from sensorml.alarms.logic import AlarmLogic, vote_of_window
from sensorml.config.tables import Alarm
from sensorml.errors import NoChannelError, RecordingError
from sensorml.interfaces import Engine
from sensorml.pipeline.model_card import Card
from sensorml.pipeline.pipeline import Pipeline
from sensorml.types import AlarmState, Prediction, State

BLOCK_WINDOWS = 64
"""Hops per block: enough windows at once that numpy's cost per call is small,
few enough that their spectra stay in the cache."""


@dataclass(slots=True)
class FileSummary:
    """One recording, in short."""

    file: str
    windows: int = 0
    anomalies: int = 0
    state: str = State.UNKNOWN.value
    """anomaly where an alarm with the default rule (3 of 5) would have come on;
    else what most of its windows are."""


@dataclass(slots=True)
class Summary:
    """What `--json` prints."""

    delegate: str
    windows: int = 0
    samples: int = 0
    seconds: float = 0.0
    files: list[FileSummary] = field(default_factory=list)
    stages_ns: dict[str, list[int]] = field(
        default_factory=lambda: {
            stage: [] for stage in ("features", "quantise", "invoke", "decide")
        }
    )

    @property
    def samples_per_s(self) -> float:
        return self.samples / self.seconds if self.seconds else 0.0


def read(
    path: Path, card: Card, *, channels: Sequence[str] | None, rate_hz: float | None
) -> recordings.Recording:
    """Read a recording that the model can be run on.

    Without `channels`, those that the model was trained on are taken, where
    the file has them; chosen channels count by their order, not by their names.

    Raises:
        RecordingError: it cannot be read, or it does not fit, and why.
    """
    wants = card.input
    unit = wants.unit
    if channels is not None:
        read = recordings.read(path, channels=channels, rate_hz=rate_hz, unit=unit)
        recording = replace(read, channels=wants.channels)
    else:
        try:
            recording = recordings.read(
                path, channels=wants.channels, rate_hz=rate_hz, unit=unit
            )
        except NoChannelError:
            recording = recordings.read(path, rate_hz=rate_hz, unit=unit)
    reason = wants.why_not(
        channels=recording.channels,
        unit=recording.unit,
        rate_hz=recording.rate_hz,
        rows=len(recording.samples),
    )
    if reason is not None:
        raise RecordingError(f"{path}: {reason}")
    return recording


def score(
    recording: recordings.Recording, card: Card, engine: Engine, summary: Summary
) -> Iterator[Prediction]:
    """Yield the predictions of one recording; add to the summary as they come."""
    pipeline = Pipeline(card, engine)
    file = FileSummary(str(recording.path))
    summary.files.append(file)
    alarm = AlarmLogic(Alarm(name="default", model=card.name))
    counts = dict.fromkeys(State, 0)
    alarmed = False
    begun = time.perf_counter()
    for block in recording.blocks(rows=BLOCK_WINDOWS * card.input.hop):
        predictions = pipeline.step(block)
        for each in predictions:
            alarm.vote(each.end_ns, vote_of_window(alarm.rule, each), "")
            alarmed |= alarm.state is AlarmState.ALARM
            counts[each.state] += 1
            file.anomalies += each.score > each.threshold
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
    summary.samples += len(recording.samples)


def _add_stages(summary: Summary, predictions: Sequence[Prediction]) -> None:
    """All windows of a block have the same share of it."""
    one = predictions[0]
    for stage, spent in summary.stages_ns.items():
        spent.extend([getattr(one, f"{stage}_ns")] * len(predictions))
