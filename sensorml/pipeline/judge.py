"""The state of a window: its score, clipping and gravity against the card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from sensorml.pipeline.model_card import Card
from sensorml.types import State


class Judge:
    """Judges windows by the threshold and the baseline of one card."""

    def __init__(self, card: Card) -> None:
        self._threshold = card.threshold.value
        self._max_clipped = card.input.max_clipped
        self._gravity = card.baseline.gravity
        self._max_tilt_deg = card.baseline.max_tilt_deg
        self._least_along = math.hypot(*self._gravity) * math.cos(
            math.radians(self._max_tilt_deg)
        )

    def state(
        self, score: float, means: Sequence[float], clipped: float
    ) -> tuple[State, str]:
        """Return the state of one window that was scored, and the reason.

        Args:
            score: larger is less normal.
            means: the mean of every channel over the window.
            clipped: share of the window's rows at full scale.
        """
        if self._gravity and self._is_tilted(means):
            degrees = tilt_deg(self._gravity, means)
            return State.BASELINE_MISMATCH, (
                f"the sensor is tilted by {degrees:.0f}° from its baseline: "
                "mount it as it was, or train the model again"
            )
        if score > self._threshold:
            return State.ANOMALY, ""
        if math.isnan(score):
            return State.UNKNOWN, "the model's score is not a number"
        if clipped > self._max_clipped:
            # Clipping removes energy, so a low score is no evidence of health.
            return State.UNKNOWN, f"{clipped:.0%} of the samples are at full scale"
        return State.NORMAL, ""

    def _is_tilted(self, means: Sequence[float]) -> bool:
        along = sum(map(mul, means, self._gravity))
        return bool(along < self._least_along * math.hypot(*means))


def tilt_deg(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the angle between two vectors in degrees; 0 if one has no length.

    >>> round(tilt_deg((0, 0, 1), (0, 1, 1)))
    45
    """
    size = math.hypot(*a) * math.hypot(*b)
    if size == 0:
        return 0.0
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return math.degrees(math.acos(max(-1.0, min(1.0, dot / size))))
