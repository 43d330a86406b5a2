"""The content of a recording that is written: its rows, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.recordings.recording import Recording
from sensorml.recordings.segments import Int64
from sensorml.types import Float32

Samples: TypeAlias = Float32 | NDArray[np.int16]

CHUNK_ROWS: Final = 65_536


class Chunk(NamedTuple):
    """Consecutive rows."""

    samples: Samples
    """(n, channels), C-contiguous."""
    t_ns: Int64
    """(n,), the time of each row, never falling."""


@dataclass(frozen=True, slots=True)
class Content:
    """A recording as its writer reads it, in memory that does not grow with it."""

    channels: tuple[str, ...]
    unit: str
    """Of all channels; empty if unknown."""
    rate_hz: float
    start_ns: int
    """Time of row 0; 0 if unknown."""
    rows: int
    gaps: int
    """The number of places at which rows are missing."""
    timed: bool
    """True where the rows have times of their own; else `rate_hz` is exact."""
    chunks: Callable[[], Iterator[Chunk]]
    """Returns the rows in order, at each call from the first one on."""
    counts: bool = False
    """True where the samples are int16, not float32."""

    def columns(self) -> list[str]:
        """Return a name for each channel with its unit; equal names are numbered."""
        unit = f" ({self.unit})" if self.unit else ""
        names: list[str] = []
        for channel in self.channels:
            again = self.channels[: len(names)].count(channel)
            names.append(f"{channel}{f' {again + 1}' if again else ''}{unit}")
        return names


def content_of(recording: Recording) -> Content:
    """Return a recording in memory as content to be written."""
    return Content(
        channels=recording.channels,
        unit=recording.unit,
        rate_hz=recording.rate_hz,
        start_ns=recording.start_ns,
        rows=recording.rows,
        gaps=sum(segment.missed > 0 for segment in recording.segments),
        timed=len(recording.segments) > 1,
        chunks=lambda: (
            Chunk(block.samples, even_times(block.start_ns, block.rate_hz, rows))
            for block in recording.blocks(CHUNK_ROWS)
            if (rows := len(block.samples))
        ),
    )


def even_times(start_ns: int, rate_hz: float, rows: int) -> Int64:
    """Return the times of rows at an even pace.

    >>> even_times(5, 3e8, 4).tolist()
    [5, 8, 12, 15]
    """
    steps = np.round(np.arange(rows) * (1e9 / rate_hz))
    times: Int64 = start_ns + steps.astype(np.int64)
    return times
