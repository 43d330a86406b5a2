"""Short gaps, bridged by rows that fit the signal on both sides.

Each channel is taken as the output of a linear filter (an autoregressive process), and
the missing rows are those for which its input has the least energy (Janssen, Veldhuis
and Vries, "Adaptive interpolation of discrete-time signals that can be modeled as
autoregressive processes", IEEE Trans. ASSP 34, 1986). A model card says how many rows
may be bridged (`[missing]`); without that nothing is, see
docs/decisions/0014-short-gaps.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from sensorml.types import Block, Float32, Float64

CONTEXT: Final = 256
"""The rows before a gap that the filter is fitted to, if they are there."""
_ROWS_PER_ORDER: Final = 8
_RIDGE: Final = 1e-6
"""Share of the signal's power that is added, so that a pure tone has a solution."""


class Bridge:
    """Fills the short gaps in the blocks of one sensor."""

    def __init__(self, *, channels: int, rows: int) -> None:
        """Fill gaps of at most `rows`."""
        self._rows = rows
        self._before: Float32 = np.empty((0, channels), np.float32)

    def fill(self, block: Block) -> Block:
        """Return the block with the rows that are missing before it, if they are few.

        A gap that is longer, or has too few rows before it, stays a gap.
        """
        missed, before = block.missed, self._before
        if 0 < missed <= self._rows and len(before) >= 2 * _ROWS_PER_ORDER:
            block = replace(
                block,
                samples=np.concatenate(
                    [bridged(before, block.samples, missed), block.samples]
                ),
                start_ns=block.start_ns - round(missed * 1e9 / block.rate_hz),
                missed=0,
                clipped=block.clipped + missed,
                bridged=missed,
            )
        elif missed:
            before = before[:0]
        self._before = np.concatenate([before, block.samples])[-CONTEXT:]
        return block


def bridged(before: Float32, after: Float32, rows: int) -> Float32:
    """Return the `rows` (rows, channels) between two segments of a signal.

    A tone continues through the gap:

    >>> tone = np.sin(np.arange(300) / 3)[:, None].astype(np.float32)
    >>> error = bridged(tone[:260], tone[264:], 4) - tone[260:264]
    >>> bool(abs(error).max() < 0.001)
    True
    """
    columns = [
        _bridged(a, b, rows)
        for a, b in zip(
            before.T.astype(np.float64), after.T.astype(np.float64), strict=True
        )
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _bridged(before: Float64, after: Float64, rows: int) -> Float64:
    """Bridge a gap in one channel."""
    mean = before.mean()
    order = len(before) // _ROWS_PER_ORDER
    taps = _prediction(before - mean, order)
    after = after[:order] - mean
    end = rows + len(after)
    signal = np.concatenate([before[-order:] - mean, np.zeros(rows), after])
    # Row i of `errors` predicts row i of the gap and what follows, and compares.
    errors = np.zeros((end, order + end))
    for i in range(end):
        errors[i, i : i + order] = -taps
        errors[i, i + order] = 1
    gap = slice(order, order + rows)
    filled, *_ = np.linalg.lstsq(errors[:, gap], -errors @ signal, rcond=None)
    return np.asarray(filled + mean, np.float64)


def _prediction(signal: Float64, order: int) -> Float64:
    """Return the filter that predicts a row from the `order` rows before it."""
    past = np.lib.stride_tricks.sliding_window_view(signal[:-1], order)
    power = past.T @ past
    power[np.diag_indices(order)] += _RIDGE * power.trace() / order + 1e-30
    return np.asarray(np.linalg.solve(power, past.T @ signal[order:]), np.float64)
