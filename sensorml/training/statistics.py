"""Statistics for a model card: standardisation, threshold, gravity."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.pipeline.extractor import significant
from sensorml.pipeline.judge import tilt_deg
from sensorml.pipeline.model_card import Threshold
from sensorml.types import Float32

Float64: TypeAlias = NDArray[np.float64]

QUANTILE: Final = 0.99
MARGIN: Final = 1.15
"""Factor on the quantile, because later normal data differ."""
_CONFIDENCE: Final = 0.95
_IQR_PER_STD: Final = 1.349  # of a normal distribution
_LEAST_STD: Final = 0.25  # of the median: a quiet band must not dominate the score
_G: Final = {"g": 1.0, "m/s^2": 9.80665, "m/s²": 9.80665}


def centre(rows: Float64, period: int) -> tuple[Float64, Float64]:
    """Return robust mean and standard deviation of each feature, shape (period,).

    Median and quartiles, so that a few knocks in the recordings change nothing.
    """
    columns = rows.reshape(-1, period)
    low, middle, high = np.quantile(columns, (0.25, 0.5, 0.75), axis=0)
    std = (high - low) / _IQR_PER_STD
    return middle, np.maximum(std, _LEAST_STD * np.median(std))


def threshold(scores: Float64, date: str) -> Threshold:
    """Set the threshold above the scores of normal windows that were not fitted."""
    value = significant(float(np.quantile(scores, QUANTILE)) * MARGIN)
    over = int(np.count_nonzero(scores > value))
    return Threshold(
        value=value,
        quantile=QUANTILE,
        windows=len(scores),
        false_alarm_rate=significant(at_most(over, len(scores)), 2),
        date=date,
    )


def at_most(hits: int, of: int) -> float:
    """Return the highest rate that `hits` of `of` trials allow, at 95 % confidence.

    The upper limit of Clopper and Pearson 1934; no hit in three trials allows 63 %:

    >>> round(at_most(0, 3), 2)
    0.63
    """
    if hits >= of:
        return 1.0
    low, high = hits / of, 1.0
    for _ in range(50):
        share = (low + high) / 2
        if _at_most_hits(hits, of, share) > 1 - _CONFIDENCE:
            low = share
        else:
            high = share
    return high


def _at_most_hits(hits: int, of: int, share: float) -> float:
    """Return the binomial probability of no more than `hits`."""
    log_probabilities = [
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(share)
        + (of - k) * math.log1p(-share)
        for k in range(hits + 1)
    ]
    return math.fsum(map(math.exp, log_probabilities))


def gravity(means: Float32, unit: str, max_tilt_deg: float) -> tuple[float, ...]:
    """Return the acceleration of gravity on each channel, or nothing.

    There is none without three axes of acceleration, with a sensor that does not
    measure DC, and in recordings in which the sensor was moved.
    """
    if unit not in _G or means.shape[1] != 3:
        return ()
    mean = np.median(means.astype(np.float64), axis=0)
    if not 0.8 < np.linalg.norm(mean) / _G[unit] < 1.2:
        return ()
    tilts = [tilt_deg(mean.tolist(), window) for window in means.tolist()]
    if np.quantile(tilts, 0.99) > max_tilt_deg / 2:
        return ()
    return tuple(significant(axis) for axis in mean.tolist())
