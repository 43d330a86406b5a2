"""Rows of an uneven pace, interpolated at even times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sensorml.recordings import spool
from sensorml.recordings.segments import Float64, Int64, Segment
from sensorml.recordings.spool import Samples, Spool, Times, View
from sensorml.types import Float32


def resampled(
    samples: Samples,
    t_ns: Times,
    segments: Sequence[Segment],
    into: Spool[np.float32],
) -> Spool[np.float32]:
    """Interpolate rows at even times, segment by segment."""
    edges = [*(segment.first for segment in segments), len(samples)]
    for begin, end in pairwise(edges):
        _segment(View(samples, begin, end), View(t_ns, begin, end), into)
    return into


def _segment(samples: Samples, t_ns: Times, into: Spool[np.float32]) -> None:
    rows = len(samples)
    zero_ns = t_ns[:1]
    last = float((t_ns[rows - 1 : rows] - zero_ns)[0])
    step = last / max(1, rows - 1)
    low = 0
    for first in range(0, rows, spool.PIECE):
        # As np.linspace has it, whose last value is exact.
        places = np.arange(first, min(first + spool.PIECE, rows), dtype=np.float64)
        wanted = places * step
        if first + spool.PIECE >= rows:
            wanted[-1] = last
        times = _until(t_ns, low, float(wanted[-1]), zero_ns)
        ahead = max(0, int(np.searchsorted(times, wanted[0], side="right")) - 1)
        low, times = low + ahead, times[ahead:]
        into.append(_interpolated(wanted, times, samples[low : low + len(times)]))


def _until(t_ns: Times, low: int, last: float, zero_ns: Int64) -> Float64:
    """Return the times from row `low` on, as far as one is later than `last`."""
    parts: list[Float64] = []
    while low < len(t_ns) and not (parts and parts[-1][-1] > last):
        parts.append((t_ns[low : low + spool.PIECE] - zero_ns).astype(np.float64))
        low += spool.PIECE
    return np.concatenate(parts)


def _interpolated(wanted: Float64, times: Float64, samples: Float32) -> Float32:
    even = np.empty((len(wanted), samples.shape[1]), np.float32)
    for channel in range(samples.shape[1]):
        even[:, channel] = np.interp(wanted, times, samples[:, channel])
    return even
