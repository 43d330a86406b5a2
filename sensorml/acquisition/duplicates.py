"""The count of rows that repeat the row before them, bit by bit.

A few happen by chance, or in a sensor that is read more often than it measures; many
come from a bus that reads the same sample twice. A sensor that has noise in its
lowest bits and repeats a row for long is frozen; its driver sets how long. A model's
card may set a lower limit, also for a sensor whose driver has none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sensorml.types import Block


class DuplicateCounter:
    """Counts the repeated rows of one sensor, block after block."""

    def __init__(self, frozen_rows: int | None = None) -> None:
        """Start; `frozen_rows` identical rows in a row mean frozen, None: never."""
        self._last: bytes | None = None
        self._frozen_rows = frozen_rows
        self._run = 0  # rows up to the newest that are like it

    def counted(self, block: Block) -> Block:
        """Return the block with `duplicated` and `frozen` set.

        The first row after a gap repeats none.
        """
        samples = np.ascontiguousarray(block.samples)
        # One opaque item a row compares all channels, and bits rather than values.
        rows = samples.view(f"V{samples.shape[1] * samples.itemsize}")[:, 0]
        again = self._last is not None and not block.missed
        duplicated = int(again and rows[0].tobytes() == self._last)
        if not duplicated:
            self._run = 0
        if len(rows) > 1:
            differs = np.flatnonzero(rows[1:] != rows[:-1])
            duplicated += len(rows) - 1 - len(differs)
            if len(differs):
                self._run = -1 - int(differs[-1])
        self._run += len(rows)
        self._last = rows[-1].tobytes()
        if not duplicated:
            return block
        limit = self._frozen_rows
        frozen = limit is not None and self._run >= limit
        return replace(block, duplicated=duplicated, frozen=frozen)
