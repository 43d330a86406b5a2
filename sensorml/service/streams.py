"""One model on one sensor: its pipeline, its meters and the rows of its windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sensorml.alarms.meter import MeterOutput
from sensorml.pipeline.feature_means import FeatureMeans
from sensorml.pipeline.pipeline import Pipeline
from sensorml.storage.rows import FeatureRow, PredictionRow, TimingRow
from sensorml.types import Change, Prediction, State

RANKS: Final = (0.5, 0.95, 0.99, 1.0)
"""Nearest-rank percentiles, so that a delay in a row is one that was measured."""

OK: Final = "ok"
"""The state of a model whose windows are judged."""

STAGES: Final = ("sample_to_result", "features", "quantise", "invoke", "decide")


@dataclass(slots=True)
class Stream:
    """One model on one sensor, and what its windows were since the last report."""

    model: str
    sensor: str
    pipeline: Pipeline
    meters: Sequence[MeterOutput] = ()
    means: FeatureMeans | None = None
    """Those of the pipeline, where they are written down."""
    latest: Prediction | None = None
    windows: int = 0
    _durations_ns: list[tuple[int, ...]] = field(init=False, default_factory=list)
    """Per window since the last `timing` rows, in the order of STAGES."""
    _reported_ignored: int = field(init=False, default=0)
    _reported_state: str = field(init=False, default=OK)
    _states: set[State] = field(init=False, default_factory=set)
    """States of the windows since the last `pending_event`."""

    @property
    def delegate(self) -> str:
        """The delegate that runs the model now."""
        return self.pipeline.engine.delegate

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Count the newest windows, n >= 1."""
        self.latest = predictions[-1]
        self.windows += len(predictions)
        self._states.update(p.state for p in predictions)
        self._durations_ns += [
            (p.delay_ns, p.features_ns, p.quantise_ns, p.invoke_ns, p.decide_ns)
            for p in predictions
            if not math.isnan(p.score)  # the model did not run
        ]

    def show(self, score: float) -> None:
        """Show a score on the model's meters; NaN: there is none."""
        for meter in self.meters:
            meter.show(score)

    def pending_event(self) -> Change | None:
        """Return a change if none of the windows since the last call was judged.

        Another change follows when windows are judged again. The sensor can be in
        order all the time: it runs at another rate than the model needs, or is
        mounted in another direction, and the alarm is blind.
        """
        states, self._states = self._states, set()
        if self.latest is None or not states:
            return None
        judged = not states.isdisjoint({State.NORMAL, State.ANOMALY})
        before = self._reported_state
        self._reported_state = OK if judged else self.latest.state.value
        if self._reported_state == before:
            return None
        reason = "" if judged else self.latest.reason
        return Change(self.latest.end_ns, before, self._reported_state, reason)

    def new_ignored(self) -> int:
        """Return how many triggers were ignored since the last call."""
        ignored = self.pipeline.ignored - self._reported_ignored
        self._reported_ignored += ignored
        return ignored

    def rows(self, predictions: Sequence[Prediction]) -> list[PredictionRow]:
        """Return a row for each prediction."""
        version, delegate = self.pipeline.card.version, self.delegate
        degraded = int(self.pipeline.engine.degraded)
        return [
            PredictionRow(
                start_ns=p.start_ns,
                end_ns=p.end_ns,
                sensor=self.sensor,
                model=self.model,
                model_version=version,
                delegate=delegate,
                score=p.score,
                threshold=p.threshold,
                state=p.state.value,
                quality=p.quality,
                delay_ns=p.delay_ns,
                features_ns=p.features_ns,
                quantise_ns=p.quantise_ns,
                invoke_ns=p.invoke_ns,
                decide_ns=p.decide_ns,
                degraded=degraded,
                label=p.label,
                probability=p.probability,
            )
            for p in predictions
        ]

    def timing_rows(self, start_ns: int, end_ns: int) -> list[TimingRow]:
        """Return one row for each stage, of the delays since the last call."""
        if not self._durations_ns:
            return []
        table = np.sort(np.array(self._durations_ns, np.int64), axis=0)
        self._durations_ns.clear()
        ranks = table[[math.ceil(share * len(table)) - 1 for share in RANKS]]
        source = (self.sensor, self.model, self.delegate)
        return [
            TimingRow(start_ns, end_ns, *source, stage, len(table), *ranks_ns)
            for stage, ranks_ns in zip(STAGES, ranks.T.tolist(), strict=True)
        ]

    def feature_rows(self, start_ns: int, end_ns: int) -> list[FeatureRow]:
        """Return one row for each feature, of the windows since the last call."""
        measured = self.means.take() if self.means is not None else []
        return [
            FeatureRow(
                start_ns=start_ns,
                time_ns=end_ns,
                sensor=self.sensor,
                model=self.model,
                feature=quantity.name,
                unit=quantity.unit,
                low_hz=quantity.low_hz,
                high_hz=quantity.high_hz,
                value=value,
            )
            for quantity, value in measured
        ]
