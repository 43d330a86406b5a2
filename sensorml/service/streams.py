"""What the monitor follows: a model on a sensor, and the alarms behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sensorml.alarms.channel import Watch
from sensorml.alarms.meter import Pointer
from sensorml.interfaces import Row
from sensorml.pipeline.pipeline import Pipeline
from sensorml.types import Change, Prediction, State

RANKS: Final = (0.5, 0.95, 0.99, 1.0)
"""Nearest-rank percentiles: a delay in a row is one that was measured."""

OK: Final = "ok"
"""The state of a model whose windows are judged."""

STAGES: Final = ("sample_to_result", "features", "quantise", "invoke", "decide")


@dataclass(slots=True)
class Stream:
    """One model on one sensor, the alarms that follow it, and its latest."""

    model: str
    sensor: str
    pipeline: Pipeline
    watches: Sequence[Watch]
    pointers: Sequence[Pointer] = ()
    latest: Prediction | None = None
    windows: int = 0
    delays: list[tuple[int, ...]] = field(default_factory=list)
    """Per window since the last `timing` rows: its durations, as in STAGES."""
    ignored: int = 0
    """Triggers that were ignored and have been told of."""
    told: str = OK
    """What `news` has last told."""
    states: set[State] = field(default_factory=set)
    """Of the windows since it was last asked."""

    @property
    def delegate(self) -> str:
        return self.pipeline.engine.delegate

    def take(self, predictions: Sequence[Prediction]) -> None:
        """Remember the newest windows, n >= 1."""
        self.latest = predictions[-1]
        self.windows += len(predictions)
        self.states.update(p.state for p in predictions)
        self.delays += [
            (p.delay_ns, p.features_ns, p.quantise_ns, p.invoke_ns, p.decide_ns)
            for p in predictions
            if not math.isnan(p.score)  # the model did not run
        ]

    def news(self) -> Change | None:
        """Return it when all windows since the last call said nothing, or no longer.

        A sensor that runs at another rate than the model wants, or is turned, is
        well, and the alarm blind all the same.
        """
        states, self.states = self.states, set()
        if self.latest is None or not states:
            return None
        seen = not states.isdisjoint({State.NORMAL, State.ANOMALY})
        told, self.told = self.told, OK if seen else self.latest.state.value
        if self.told == told:
            return None
        reason = "" if seen else self.latest.reason
        return Change(self.latest.end_ns, told, self.told, reason)

    def take_ignored(self) -> int:
        """Return how many triggers were ignored since the last call."""
        ignored = self.pipeline.ignored - self.ignored
        self.ignored += ignored
        return ignored

    def rows(self, predictions: Sequence[Prediction], offset_ns: int) -> list[Row]:
        """Make `prediction` rows; the offset turns the sensor's time into UTC."""
        version, delegate = self.pipeline.card.version, self.delegate
        degraded = int(self.pipeline.engine.degraded)
        return [
            (
                p.start_ns + offset_ns,
                p.end_ns + offset_ns,
                self.sensor,
                self.model,
                version,
                delegate,
                p.score,
                p.threshold,
                p.state.value,
                p.quality,
                p.delay_ns,
                p.features_ns,
                p.quantise_ns,
                p.invoke_ns,
                p.decide_ns,
                degraded,
                p.label,
                p.probability,
            )
            for p in predictions
        ]

    def timing_rows(self, start_ns: int, end_ns: int) -> list[Row]:
        """Turn the delays since the last call into `timing` rows, one a stage."""
        if not self.delays:
            return []
        table = np.sort(np.array(self.delays, np.int64), axis=0)
        self.delays.clear()
        ranks = table[[math.ceil(share * len(table)) - 1 for share in RANKS]]
        names = (self.sensor, self.model, self.delegate)
        return [
            (start_ns, end_ns, *names, stage, len(table), *ranks[:, i].tolist())
            for i, stage in enumerate(STAGES)
        ]
