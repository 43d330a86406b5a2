"""One model on one sensor: block → windows → features → engine → judgement.

`step` is the whole of it. The service calls it for every block of a live
sensor, `sensorml score` for every block of a recording: what was measured
off line is what runs on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sensorml.interfaces import Engine
from sensorml.pipeline.extractor import extractor
from sensorml.pipeline.judge import Judge
from sensorml.pipeline.model_card import Card
from sensorml.pipeline.ring import Ring, Windows
from sensorml.types import Block, Float32, Prediction, State

if TYPE_CHECKING:
    from sensorml.pipeline.capture import Capture

FROZEN: Final = "frozen: the sensor repeats the same sample"
"""The reason of a prediction whose window shows a frozen sensor."""

_NAN: Final = float("nan")


class _Shown(NamedTuple):
    """One window that went through the model."""

    score: float
    means: list[float]
    """Of every channel over the window."""
    label: str
    probability: float


class _Run(NamedTuple):
    """The windows that went through the model, in order, and what it took."""

    shown: list[_Shown]
    features_ns: int
    quantise_ns: int
    invoke_ns: int


_NONE_SHOWN: Final = _Run([], 0, 0, 0)
_WITHHELD: Final = _Shown(_NAN, [], "", _NAN)


class Pipeline:
    """Runs one model over the blocks of one sensor.

    It keeps the rows that coming windows need, and nothing else; it opens
    nothing and knows no wall clock. `clock` (ns, monotonic) only measures how
    long the stages take. A pipeline that is triggered judges the windows that
    begin with a `trigger`, and no others.
    """

    def __init__(
        self,
        card: Card,
        engine: Engine,
        *,
        triggered: bool = False,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        wants = card.input
        self.card = card
        self.engine = engine
        self._clock = clock
        self._min_quality = wants.min_quality
        self._slowest_hz = wants.rate_hz * (1 - wants.rate_tolerance)
        self._fastest_hz = wants.rate_hz * (1 + wants.rate_tolerance)
        channels = len(wants.channels)
        self._capture: Capture | None = None
        if triggered:
            from sensorml.pipeline.capture import Capture

            self._ring: Ring = Capture(
                channels=channels,
                window=wants.window,
                rate_hz=wants.rate_hz,
                frozen_rows=wants.frozen_rows,
            )
            self._capture = self._ring
        else:
            self._ring = Ring(
                channels=channels,
                window=wants.window,
                hop=wants.hop,
                frozen_rows=wants.frozen_rows,
            )
        self._rate_hz = wants.rate_hz
        self._frozen = False
        self._ahead_ns = 0
        self._features = extractor(card.features, card.signal)
        self._judge = Judge(card)
        self._threshold = card.threshold.value

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
        capture = self._capture
        if windows is None and capture is None:
            return ()
        begun_ns = self._clock()
        # The clock's time of now minus this is the source's time of now.
        self._ahead_ns = begun_ns - waited_ns - block.age_ns - _last_row_ns(block)
        self._rate_hz = block.rate_hz
        self._frozen = block.frozen
        if capture is not None:
            return self._captured(capture, windows)
        return () if windows is None else self._judged(windows, begun_ns)

    @property
    def triggered(self) -> bool:
        """Whether windows begin with a trigger only."""
        return self._capture is not None

    @property
    def ignored(self) -> int:
        """Triggers that came within another's window."""
        return self._capture.ignored if self._capture is not None else 0

    def trigger(self, at_ns: int) -> Sequence[Prediction]:
        """Judge the window that begins at `at_ns`, on the source's clock.

        It comes from here if all its rows are there already, else from `step`.
        """
        if self._capture is None:
            return ()
        self._capture.trigger(at_ns)
        return self._captured(self._capture, self._capture.take())

    def _captured(self, capture: Capture, windows: Windows | None) -> list[Prediction]:
        found: list[Prediction] = []
        while windows is not None:
            found += self._judged(windows, self._clock())
            windows = capture.take()
        return found

    def _judged(self, windows: Windows, begun_ns: int) -> list[Prediction]:
        off_rate = self._why_off_rate(self._rate_hz)
        withheld = [
            off_rate or self._why_withheld(windows, i) for i in range(len(windows.data))
        ]
        data = windows.data
        if any(withheld):
            data = data[[not why for why in withheld]]
        run = self._run(data) if len(data) else _NONE_SHOWN
        return self._predictions(windows, withheld, run, begun_ns)

    def _why_off_rate(self, rate_hz: float) -> str:
        if self._slowest_hz <= rate_hz <= self._fastest_hz:
            return ""
        wants = self.card.input
        return (
            f"the sensor runs at {rate_hz:.4g} Hz, the model wants {wants.rate_hz:.4g} "
            f"± {wants.rate_tolerance:.0%}"
        )

    def _why_withheld(self, windows: Windows, i: int) -> str:
        if windows.quality[i] < self._min_quality:
            return f"only {windows.quality[i]:.1%} of the samples are there"
        if self._frozen or windows.frozen[i]:
            return FROZEN
        return ""

    def _run(self, data: Float32) -> _Run:
        """Take windows (n, channels, window) through features and the model."""
        begun_ns = self._clock()
        means: Float32 = np.add.reduce(data, axis=2)
        means *= np.float32(1 / data.shape[2])
        features = self._features(data, means)
        features_ns = self._clock() - begun_ns
        outputs, quantise_ns, invoke_ns = self.engine.infer(features)
        rows = outputs.reshape(len(data), -1)
        shown = map(
            _Shown, self._scores(features, rows), means.tolist(), *self._labels(rows)
        )
        return _Run(list(shown), features_ns, quantise_ns, invoke_ns)

    def _scores(self, features: Float32, rows: Float32) -> list[float]:
        """Return the score of every window; `features` are used up."""
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
        """Judge every window and put everything known of it together."""
        shown = iter(run.shown)
        judged = [
            (_WITHHELD, State.UNKNOWN, why)
            if why
            else self._verdict(next(shown), windows.clipped[i])
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
                seen.score,
                self._threshold,
                state,
                windows.quality[i],
                now_ns - self._ahead_ns - windows.end_ns[i],
                features_ns,
                quantise_ns,
                invoke_ns,
                decide_ns,
                seen.label,
                seen.probability,
                reason,
            )
            for i, (seen, state, reason) in enumerate(judged)
        ]

    def _verdict(self, seen: _Shown, clipped: float) -> tuple[_Shown, State, str]:
        return (seen, *self._judge.state(seen.score, seen.means, clipped))


def _last_row_ns(block: Block) -> int:
    return block.start_ns + round((len(block.samples) - 1) * 1e9 / block.rate_hz)
