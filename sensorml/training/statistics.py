"""The few numbers a model folder's card needs statistics for."""

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
"""On top of the quantile, for what later normal data will differ."""
_CONFIDENCE: Final = 0.95
_IQR_PER_STD: Final = 1.349  # of a normal distribution
_LEAST_STD: Final = 0.25  # of the median one: a still band must not rule the score
_G: Final = {"g": 1.0, "m/s^2": 9.80665, "m/s²": 9.80665}


def centre(rows: Float64, period: int) -> tuple[Float64, Float64]:
    """Return robust mean and standard deviation of each feature, shape (period,).

    Median and quartiles, so that a few bumps in the recordings change nothing.
    """
    columns = rows.reshape(-1, period)
    low, middle, high = np.quantile(columns, (0.25, 0.5, 0.75), axis=0)
    std = (high - low) / _IQR_PER_STD
    return middle, np.maximum(std, _LEAST_STD * np.median(std))


def threshold(scores: Float64, date: str) -> Threshold:
    """Set the threshold over the scores of normal windows that were not fitted."""
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
    """Return the share that `hits` of `of` trials do not exceed, at 95 % confidence.

    The upper limit of Clopper and Pearson 1934. Three times none is not never:

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
    odds = [
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(share)
        + (of - k) * math.log1p(-share)
        for k in range(hits + 1)
    ]
    return math.fsum(math.exp(odd) for odd in odds)


def gravity(means: Float32, unit: str, max_tilt_deg: float) -> tuple[float, ...]:
    """Return the direction that the sensor feels gravity from, or nothing.

    Nothing where it cannot: no three axes of acceleration, a sensor that does
    not feel DC, or recordings in which it turned.
    """
    if unit not in _G or means.shape[1] != 3:
        return ()
    felt = np.median(means.astype(np.float64), axis=0)
    if not 0.8 < np.linalg.norm(felt) / _G[unit] < 1.2:
        return ()
    tilts = [tilt_deg(felt.tolist(), mean) for mean in means.tolist()]
    if np.quantile(tilts, 0.99) > max_tilt_deg / 2:
        return ()
    return tuple(significant(axis) for axis in felt.tolist())
