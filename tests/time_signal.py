"""A vibration signal whose value encodes the time at which it is sampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TICK_NS = 10_000
"""One step of the signal."""
_DIGIT = 512
_COUNTS_PER_G = 256


class TimeSignal:
    """The time since the chip was switched on, in place of a `sim.machine.Machine`.

    The time has three digits of nine bits, one a channel and the lowest on z, in
    counts of 1/256 g around 0: they fit any accelerometer at ±2 g, and start again
    after 22 minutes.
    """

    def acceleration(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        ticks = np.floor(at_s * 1e9 / TICK_NS).astype(np.int64)
        digits = [ticks // _DIGIT**2, ticks // _DIGIT, ticks]
        return np.stack([d % _DIGIT - _DIGIT // 2 for d in digits], 1) / _COUNTS_PER_G


def sampled_ns(samples: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return when rows (n, 3) in g were sampled, in ns since the chip's start."""
    digits = np.rint(samples * np.float64(_COUNTS_PER_G)).astype(np.int64)
    x, y, z = (digits + _DIGIT // 2).T
    return ((x * _DIGIT + y) * _DIGIT + z) * TICK_NS + TICK_NS // 2
