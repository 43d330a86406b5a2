"""Counting rows that repeat the row before them, bit by bit.

A few are chance, or a sensor that is asked more often than it measures; many
are a bus that reads the same sample twice. Whether a sensor is frozen is not
told from this count: the model's card says how long a run is too long.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sensorml.types import Block


class Repeats:
    """The rows of one sensor, block after block."""

    def __init__(self) -> None:
        self._last: bytes | None = None

    def counted(self, block: Block) -> Block:
        """Return the block with `duplicated` filled in.

        A row after a gap has no row before it.
        """
        samples = np.ascontiguousarray(block.samples)
        # One opaque item a row compares all channels, and bits rather than values.
        rows = samples.view(f"V{samples.shape[1] * samples.itemsize}")[:, 0]
        again = self._last is not None and not block.missed
        duplicated = int(again and rows[0].tobytes() == self._last)
        if len(rows) > 1:
            duplicated += int(np.count_nonzero(rows[1:] == rows[:-1]))
        self._last = rows[-1].tobytes()
        return replace(block, duplicated=duplicated) if duplicated else block
