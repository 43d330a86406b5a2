"""One model on one sensor: block → windows → features → engine → judgement.

`step` is the whole of it. The service calls it for every block of a live
sensor, `sensorml score` for every block of a recording: what was measured
off line is what runs on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from sensorml.cards import Card
from sensorml.decision import Judge
from sensorml.features import extractor
from sensorml.interfaces import Engine
from sensorml.ring import Ring, Windows
from sensorml.types import Block, Float32, Prediction, State

FROZEN: Final = "frozen: the sensor repeats the same sample"
"""The reason of a prediction whose window shows a frozen sensor."""

_NAN: Final = float("nan")


class _Scored(NamedTuple):
    """The windows that went through the model, in order, and what it took."""

    means: list[list[float]]
    scores: list[float]
    labels: list[str]
    probabilities: list[float]
    features_ns: int
    quantise_ns: int
    invoke_ns: int


class Pipeline:
    """Runs one model over the blocks of one sensor.

    It keeps the rows that coming windows need, and nothing else; it opens
    nothing and knows no wall clock. `clock` (ns, monotonic) only measures how
    long the stages take.
    """

    def __init__(
        self,
        card: Card,
        engine: Engine,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        wants = card.input
        self.card = card
        self.engine = engine
        self._clock = clock
        self._min_quality = wants.min_quality
        self._ring = Ring(
            channels=len(wants.channels),
            window=wants.window,
            hop=wants.hop,
            frozen_rows=wants.frozen_rows,
        )
        self._features = extractor(
            card.features,
            channels=len(wants.channels),
            window=wants.window,
            rate_hz=wants.rate_hz,
            unit=wants.unit,
        )
        self._judge = Judge(card)

    def step(self, block: Block, *, waited_ns: int = 0) -> Sequence[Prediction]:
        """Take a block in; judge every window that is complete with it.

        Args:
            block: samples in the card's unit, shape (n, channels).
            waited_ns: how long the block lay between its read and this call.

        Returns:
            One prediction a window, oldest first. A window with too many
            missing rows, or from a frozen sensor, is never shown to the model.

        Raises:
            DelegateError: the engine failed.
        """
        windows = self._ring.push(block)
        if windows is None:
            return ()
        begun_ns = self._clock()
        off_rate = self._why_off_rate(block.rate_hz)
        withheld = [
            off_rate or self._why_withheld(windows, i) for i in range(len(windows.data))
        ]
        data = windows.data
        if any(withheld):
            data = data[[not why for why in withheld]]
        scored = self._run(data) if len(data) else None
        # The clock's time of now minus this is the source's time of now.
        ahead_ns = begun_ns - waited_ns - block.age_ns - _last_row_ns(block)
        return self._predictions(windows, withheld, scored, begun_ns, ahead_ns)

    def _why_off_rate(self, rate_hz: float) -> str:
        wants = self.card.input
        if abs(rate_hz / wants.rate_hz - 1) <= wants.rate_tolerance:
            return ""
        return (
            f"the sensor runs at {rate_hz:.4g} Hz, the model wants {wants.rate_hz:.4g} "
            f"± {wants.rate_tolerance:.0%}"
        )

    def _why_withheld(self, windows: Windows, i: int) -> str:
        if windows.quality[i] < self._min_quality:
            return f"only {windows.quality[i]:.1%} of the samples are there"
        if windows.frozen[i]:
            return FROZEN
        return ""

    def _run(self, data: Float32) -> _Scored:
        """Take windows (n, channels, window) through features and the model."""
        begun_ns = self._clock()
        means: Float32 = np.add.reduce(data, axis=2)
        means *= np.float32(1 / data.shape[2])
        features = self._features(data, means)
        features_ns = self._clock() - begun_ns
        outputs, quantise_ns, invoke_ns = self.engine.infer(features)
        labels: list[str] = []
        probabilities: list[float] = []
        output = self.card.output
        rows = outputs.reshape(len(data), -1)
        if output.labels:
            best = rows.argmax(axis=1)
            labels = [output.labels[i] for i in best.tolist()]
            probabilities = rows[np.arange(len(rows)), best].tolist()
        if output.score == "reconstruction":
            features -= rows
            scores = np.einsum("nf,nf->n", features, features) / features.shape[1]
        elif output.score == "probability":
            scores = 1 - rows[:, output.labels.index(output.normal)]
        else:
            scores = rows[:, 0]
        return _Scored(
            means.tolist(),
            scores.tolist(),
            labels,
            probabilities,
            features_ns,
            quantise_ns,
            invoke_ns,
        )

    def _predictions(
        self,
        windows: Windows,
        withheld: list[str],
        scored: _Scored | None,
        begun_ns: int,
        ahead_ns: int,
    ) -> list[Prediction]:
        """Judge every window and put everything known of it together."""
        judged = list(self._judged(windows, withheld, scored))
        n = len(withheld)
        now_ns = self._clock()
        features_ns = quantise_ns = invoke_ns = 0
        if scored is not None:
            features_ns = scored.features_ns // n
            quantise_ns = scored.quantise_ns // n
            invoke_ns = scored.invoke_ns // n
        decide_ns = (now_ns - begun_ns) // n - features_ns - quantise_ns - invoke_ns
        threshold = self.card.threshold.value
        return [
            Prediction(
                windows.first + i,
                windows.start_ns[i],
                windows.end_ns[i],
                score,
                threshold,
                state,
                windows.quality[i],
                now_ns - ahead_ns - windows.end_ns[i],
                features_ns,
                quantise_ns,
                invoke_ns,
                decide_ns,
                label,
                probability,
                reason,
            )
            for i, (score, state, reason, label, probability) in enumerate(judged)
        ]

    def _judged(
        self, windows: Windows, withheld: list[str], scored: _Scored | None
    ) -> Iterator[tuple[float, State, str, str, float]]:
        """Yield score, state, reason, label and probability of every window."""
        j = 0
        for i, why in enumerate(withheld):
            if why or scored is None:
                yield _NAN, State.UNKNOWN, why, "", _NAN
                continue
            score = scored.scores[j]
            state, reason = self._judge.state(
                score, scored.means[j], windows.clipped[i]
            )
            if scored.labels:
                yield score, state, reason, scored.labels[j], scored.probabilities[j]
            else:
                yield score, state, reason, "", _NAN
            j += 1


def _last_row_ns(block: Block) -> int:
    return block.start_ns + round((len(block.samples) - 1) * 1e9 / block.rate_hz)
