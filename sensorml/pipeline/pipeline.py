"""One model on one sensor: block → windows → features → engine → predictions.

The service calls `step` for every block of a sensor, and `sensorml score` for every
block of a recording, so that results off line are those on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.interfaces import Engine
from sensorml.pipeline.bridge import Bridge
from sensorml.pipeline.extractor import extractor
from sensorml.pipeline.feature_means import FeatureMeans
from sensorml.pipeline.judge import Judge
from sensorml.pipeline.model_card import Card
from sensorml.pipeline.ring import Ring, Windows
from sensorml.types import Block, Float32, Prediction, State

if TYPE_CHECKING:
    from sensorml.pipeline.capture import Capture

FROZEN: Final = "frozen: the sensor repeats the same sample"
"""The reason of a prediction whose window shows a frozen sensor."""

_NAN: Final = float("nan")


class _Result(NamedTuple):
    """The result of the model for one window."""

    score: float
    means: list[float]
    """Of every channel over the window."""
    label: str
    probability: float


class _Run(NamedTuple):
    """The results of the windows in the model, and the time of each stage."""

    results: list[_Result]
    features_ns: int
    quantise_ns: int
    invoke_ns: int


_NO_RUN: Final = _Run([], 0, 0, 0)
_WITHHELD: Final = _Result(_NAN, [], "", _NAN)


class Pipeline:
    """Runs one model over the blocks of one sensor.

    It keeps the rows that coming windows need, and nothing else; it opens no file and
    reads no wall clock. `clock` (ns, monotonic) only measures how long the stages take.
    A triggered pipeline judges the windows that begin at a `trigger`, and no others.
    """

    def __init__(
        self,
        card: Card,
        engine: Engine,
        *,
        triggered: bool = False,
        means: FeatureMeans | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        model_input = card.input
        self.card = card
        self.engine = engine
        self._clock = clock
        self._min_quality = model_input.min_quality
        missing = card.missing.rows
        self._min_bridged = (model_input.window - missing) / model_input.window
        self._slowest_hz = model_input.rate_hz * (1 - model_input.rate_tolerance)
        self._fastest_hz = model_input.rate_hz * (1 + model_input.rate_tolerance)
        channels = len(model_input.channels)
        self._bridge = Bridge(channels=channels, rows=missing) if missing else None
        self._capture: Capture | None = None
        if triggered:
            from sensorml.pipeline.capture import Capture

            self._ring: Ring = Capture(
                channels=channels,
                window=model_input.window,
                rate_hz=model_input.rate_hz,
                frozen_rows=model_input.frozen_rows,
            )
            self._capture = self._ring
        else:
            self._ring = Ring(
                channels=channels,
                window=model_input.window,
                hop=model_input.hop,
                frozen_rows=model_input.frozen_rows,
            )
        self._rate_hz = model_input.rate_hz
        self._frozen = False
        self._ahead_ns = 0
        self._features = extractor(card.features, card.signal)
        self._means = means
        self._judge = Judge(card)
        self._threshold = card.threshold.value

    def step(self, block: Block, *, waited_ns: int = 0) -> Sequence[Prediction]:
        """Add a block; judge every window that it completes.

        Args:
            block: samples in the card's unit, shape (n, channels).
            waited_ns: how long the block waited between its read and this call.

        Returns:
            One prediction a window, oldest first. The model is never run on a window
            with too many missing rows (more than the card allows) or from a frozen
            sensor.

        Raises:
            DelegateError: the engine failed.
        """
        if self._bridge is not None:
            block = self._bridge.fill(block)
        windows = self._ring.push(block)
        capture = self._capture
        if windows is None and capture is None:
            return ()
        begun_ns = self._clock()
        # Now on the clock, minus this, is now on the clock of the source.
        self._ahead_ns = begun_ns - waited_ns - block.age_ns - _last_row_ns(block)
        self._rate_hz = block.rate_hz
        self._frozen = block.frozen
        if capture is not None:
            return self._captured(capture, windows)
        return () if windows is None else self._judged(windows, begun_ns)

    @property
    def triggered(self) -> bool:
        """Return whether windows begin at a trigger only."""
        return self._capture is not None

    @property
    def ignored(self) -> int:
        """The number of triggers that were within the window of another."""
        return self._capture.ignored if self._capture is not None else 0

    def trigger(self, at_ns: int) -> Sequence[Prediction]:
        """Judge the window that begins at `at_ns`, on the clock of the source.

        It is returned here if all its rows are there already, else by `step`.
        """
        if self._capture is None:
            return ()
        self._capture.trigger(at_ns)
        return self._captured(self._capture, self._capture.take())

    def _captured(self, capture: Capture, windows: Windows | None) -> list[Prediction]:
        predictions: list[Prediction] = []
        while windows is not None:
            predictions += self._judged(windows, self._clock())
            windows = capture.take()
        return predictions

    def _judged(self, windows: Windows, begun_ns: int) -> list[Prediction]:
        off_rate = self._why_off_rate(self._rate_hz)
        data = windows.data
        means: Float32 = np.add.reduce(data, axis=2)
        means *= np.float32(1 / data.shape[2])
        absent = np.isnan(means)
        withheld = [
            off_rate or self._why_withheld(windows, i, absent[i])
            for i in range(len(data))
        ]
        if any(withheld):
            kept = [not why for why in withheld]
            data, means = data[kept], means[kept]
        run = self._run(data, means) if len(data) else _NO_RUN
        return self._predictions(windows, withheld, run, begun_ns)

    def _why_off_rate(self, rate_hz: float) -> str:
        if self._slowest_hz <= rate_hz <= self._fastest_hz:
            return ""
        usual_hz, tolerance = self.card.input.rate_hz, self.card.input.rate_tolerance
        return (
            f"the sensor runs at {rate_hz:.4g} Hz, the model takes {usual_hz:.4g} "
            f"± {tolerance:.0%}"
        )

    def _why_withheld(self, windows: Windows, i: int, absent: NDArray[np.bool_]) -> str:
        quality = windows.quality[i]
        bridged = windows.whole[i] and quality >= self._min_bridged
        if quality < self._min_quality and not bridged:
            return f"only {quality:.1%} of the samples are there"
        if self._frozen or windows.frozen[i]:
            return FROZEN
        if absent.any():
            names = ", ".join(compress(self.card.input.channels, absent))
            return f"the sensor has no value for {names}, which the model needs"
        return ""

    def _run(self, data: Float32, means: Float32) -> _Run:
        """Run the model on the features of windows (n, channels, window)."""
        begun_ns = self._clock()
        features = self._features(data, means)
        if self._means is not None:
            self._means.add(features)
        features_ns = self._clock() - begun_ns
        outputs, quantise_ns, invoke_ns = self.engine.infer(features)
        rows = outputs.reshape(len(data), -1)
        results = map(
            _Result, self._scores(features, rows), means.tolist(), *self._labels(rows)
        )
        return _Run(list(results), features_ns, quantise_ns, invoke_ns)

    def _scores(self, features: Float32, rows: Float32) -> list[float]:
        """Return the score of every window; `features` are overwritten."""
        output = self.card.output
        if self.card.score == "reconstruction":
            features -= rows
            np.square(features, features)
            scores = np.add.reduce(features, axis=1)
            scores /= features.shape[1]
        elif self.card.score == "probability":
            if output.normal:
                scores = 1 - rows[:, output.labels.index(output.normal)]
            else:
                scores = 1 - rows.max(axis=1)
        else:
            scores = rows[:, 0]
        listed: list[float] = scores.tolist()
        return listed

    def _labels(self, rows: Float32) -> tuple[Iterable[str], Iterable[float]]:
        """Return the likeliest label of every window, and its probability."""
        labels = self.card.output.labels
        if not labels:
            return repeat(""), repeat(_NAN)
        best = rows.argmax(axis=1)
        probabilities = rows[np.arange(len(rows)), best].tolist()
        return [labels[i] for i in best.tolist()], probabilities

    def _predictions(
        self,
        windows: Windows,
        withheld: list[str],
        run: _Run,
        begun_ns: int,
    ) -> list[Prediction]:
        """Judge every window and return its prediction."""
        results = iter(run.results)
        judged = [
            (_WITHHELD, State.UNKNOWN, why)
            if why
            else self._verdict(next(results), windows.clipped[i])
            for i, why in enumerate(withheld)
        ]
        n = len(withheld)
        now_ns = self._clock()
        features_ns = run.features_ns // n
        quantise_ns = run.quantise_ns // n
        invoke_ns = run.invoke_ns // n
        decide_ns = (now_ns - begun_ns) // n - features_ns - quantise_ns - invoke_ns
        return [
            Prediction(
                windows.first + i,
                windows.start_ns[i],
                windows.end_ns[i],
                result.score,
                self._threshold,
                state,
                windows.quality[i],
                now_ns - self._ahead_ns - windows.end_ns[i],
                features_ns,
                quantise_ns,
                invoke_ns,
                decide_ns,
                result.label,
                result.probability,
                reason,
            )
            for i, (result, state, reason) in enumerate(judged)
        ]

    def _verdict(self, result: _Result, clipped: float) -> tuple[_Result, State, str]:
        return (result, *self._judge.state(result.score, result.means, clipped))


def _last_row_ns(block: Block) -> int:
    return block.start_ns + round((len(block.samples) - 1) * 1e9 / block.rate_hz)
