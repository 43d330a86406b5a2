"""A recording in memory, and the checks of every file format."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings.segments import Int64, Rows, Segment, jitter_ns, segments
from sensorml.recordings.tables.clocks import RATE_TOLERANCE
from sensorml.recordings.tables.units import factor
from sensorml.types import NO_ROWS, Block, Float32

MAX_VALUES: Final = 2**29
"""The most values of a recording: 2 GiB, or an hour of 3 × 48 kHz."""
MAX_TIME_NS: Final = 4 * 10**18
"""The largest distance of a time from 1970, so that differences fit 64 bits."""
FULL_SCALE: Final = "fs"
"""The unit of samples whose largest possible value is 1."""
_PIECE_ROWS: Final = 1 << 16
_ERA = "has times outside the years 1844 to 2096"


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The options of the user for a table, beyond what is found in it."""

    time: str | None = None
    """The column of the times."""
    time_unit: str | None = None
    """ns, us, ms, s, min, h, d, excel, matlab; or dmy or mdy, the order of a date."""
    where: Mapping[str, str] = field(default_factory=dict)
    """By column, the value of the rows to take."""


class Labels(NamedTuple):
    """The labels that all rows of a recording share."""

    channels: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Samples and their times. Rows in messages count from 1."""

    path: Path
    samples: Float32
    """(n, channels), n >= 1, C-contiguous, finite, in `unit`."""
    channels: tuple[str, ...]
    unit: str
    """Empty if the file has none."""
    rate_hz: float
    """The rate of the rows without the gaps: measured if they have times, else
    nominal."""
    start_ns: int
    """Time of row 0 by the file's clock (UTC, or its own zero); 0 if unknown."""
    clipped: Rows
    """Rows with a channel at the full scale of the file's integers, or, in a table, at
    a value that it seems unable to exceed."""
    segments: tuple[Segment, ...]
    """At least one; the first starts at row 0."""
    notes: tuple[str, ...] = ()
    """The reading of the file in words, for people; the first is the layout."""
    jitter_ns: float | None = None
    """The largest difference of 95 % of the steps from the period; None where
    the rows have no times."""

    def converted(self, unit: str) -> Recording:
        """Return the recording in `unit`; unchanged if its own does not convert."""
        scale = factor(self.unit, unit) if self.unit and unit else None
        if scale is None or self.unit == unit:
            return self
        note = f"converted from {self.unit} to {unit}"
        return replace(
            self,
            samples=self.samples * np.float32(scale),
            unit=unit,
            notes=(*self.notes, note),
        )

    def block(self, first: int, rows: int) -> Block:
        """Return at most `rows` rows from row `first` on, ending before a gap."""
        at = bisect_right(self.segments, first, key=lambda segment: segment.first)
        segment = self.segments[at - 1]
        later = self.segments[at].first if at < len(self.segments) else math.inf
        stop = int(min(first + rows, later, len(self.samples)))
        offset = first - segment.first
        low, high = np.searchsorted(self.clipped, (first, stop))
        return Block(
            samples=self.samples[first:stop],
            start_ns=segment.start_ns + round(offset * 1e9 / segment.rate_hz),
            rate_hz=segment.rate_hz,
            missed=segment.missed if offset == 0 else 0,
            clipped=self.clipped[low:high] - first if high > low else NO_ROWS,
        )

    def blocks(self, rows: int = 65_536) -> Iterator[Block]:
        """Yield all rows in order, at most `rows` (>= 1) at a time, split at gaps."""
        if rows < 1:
            raise ValueError(f"rows = {rows}: a block has at least one row")
        first = 0
        while first < len(self.samples):
            block = self.block(first, rows)
            first += len(block.samples)
            yield block


def sound(
    path: Path,
    samples: Float32,
    *,
    channels: Sequence[str],
    unit: str,
    rate_hz: float | None,
    start_ns: int = 0,
    t_ns: Int64 | None = None,
    clipped: Rows = NO_ROWS,
) -> Recording:
    """Check the content of a file and return it as a recording.

    Args:
        path: The file, for messages.
        samples: (n, channels), scaled.
        channels: One name for each column.
        unit: Of all channels.
        rate_hz: Sample rate; the times are used instead if two rows have one.
        start_ns: Time of row 0; 0 if unknown or only in `t_ns`.
        t_ns: (n,), the time of each row, from any zero.
        clipped: The rows at full scale.

    Raises:
        RecordingError: it names what is wrong and what to do.
    """
    rows = len(samples)
    if rows == 0 or samples.shape[1] == 0:
        raise RecordingError(f"{path}: has no samples: make the recording again")
    _refuse_infinite(path, samples, channels)
    if t_ns is not None and rows > 1:
        parts = _timed(path, t_ns)
    elif rate_hz is None:
        raise RecordingError(f"{path}: has no sample rate: give it with --rate")
    elif not 1e-6 <= rate_hz <= 1e9:  # also NaN
        raise RecordingError(
            f"{path}: a sample rate of {rate_hz:g} Hz is impossible: give the true "
            "rate, above zero"
        )
    else:
        parts = (Segment(0, 0 if t_ns is None else int(t_ns[0]), float(rate_hz), 0),)
    if start_ns:
        ahead = start_ns - (0 if t_ns is None else int(t_ns[0]))
        parts = tuple(p._replace(start_ns=p.start_ns + ahead) for p in parts)
    if abs(parts[-1].start_ns) > MAX_TIME_NS:
        raise RecordingError(f"{path}: {_ERA}: check its clock")
    return Recording(
        path=path,
        samples=np.ascontiguousarray(samples),
        channels=tuple(channels),
        unit=unit,
        rate_hz=mean_rate_hz(parts, rows),
        start_ns=parts[0].start_ns,
        clipped=clipped,
        segments=parts,
        jitter_ns=None if t_ns is None else jitter_ns(t_ns, parts[0].rate_hz),
    )


def _refuse_infinite(path: Path, samples: Float32, channels: Sequence[str]) -> None:
    """Raise an error if a sample is NaN or infinity."""
    pieces = range(0, len(samples), _PIECE_ROWS)
    if all(np.isfinite(samples[i : i + _PIECE_ROWS]).all() for i in pieces):
        return
    rows = len(samples)
    finite = np.isfinite(samples).all(axis=1)
    row = int(np.argmin(finite))
    channel = channels[int(np.argmin(np.isfinite(samples[row])))]
    raise RecordingError(
        f"{path}: {rows - np.count_nonzero(finite)} of {rows} rows hold NaN or "
        f"infinity, the first is row {row + 1} in {channel!r}: remove those rows "
        "(with times, the gap is recognised), or leave out channels with --channels"
    )


def mean_rate_hz(parts: Sequence[Segment], rows: int) -> float:
    """Return the rate of all rows together, without the gaps."""
    if len(parts) == 1:
        return parts[0].rate_hz
    counts = np.diff([part.first for part in parts], append=rows)
    return rows / float(np.sum(counts / [part.rate_hz for part in parts]))


def _timed(path: Path, t_ns: Int64) -> tuple[Segment, ...]:
    """Check the times of at least two rows; return the segments between gaps."""
    if max(abs(int(t_ns.min())), abs(int(t_ns.max()))) > MAX_TIME_NS:
        raise RecordingError(f"{path}: {_ERA}: check the unit of its times")
    pieces = (t_ns[i : i + _PIECE_ROWS + 1] for i in range(0, len(t_ns), _PIECE_ROWS))
    if any((np.diff(piece) < 0).any() for piece in pieces):
        back = np.diff(t_ns) < 0
        raise RecordingError(
            f"{path}: time goes back {np.count_nonzero(back)} times, first at row "
            f"{np.argmax(back) + 2}: sort the rows by time, or cut it there"
        )
    try:
        return segments(t_ns)
    except ValueError as err:
        raise RecordingError(
            f"{path}: {err} from row to row: correct them, or remove them and give "
            "the sample rate"
        ) from err


def agreed_rate(
    path: Path, own_hz: float | None, asked_hz: float | None
) -> float | None:
    """Return the rate of a file; that of the user must agree with the file's own.

    Raises:
        RecordingError: they differ by more than RATE_TOLERANCE.
    """
    if own_hz is None or asked_hz is None:
        return own_hz if asked_hz is None else asked_hz
    if not abs(asked_hz / own_hz - 1) <= RATE_TOLERANCE:
        raise RecordingError(
            f"{path}: it runs at {own_hz:.6g} Hz by its header and at {asked_hz:g} Hz "
            "by --rate: leave out --rate, or correct the file"
        )
    return own_hz


def numbered(channels: int) -> tuple[str, ...]:
    """Return names for the channels of a file without names.

    >>> numbered(2)
    ('ch1', 'ch2')
    """
    return tuple(f"ch{i + 1}" for i in range(channels))


def chosen(path: Path, names: Sequence[str], channels: Sequence[str]) -> list[int]:
    """Return the positions of some channels in a file.

    Raises:
        NoChannelError: the file lacks one.
        RecordingError: the file has two of that name.
    """
    for name in channels:
        if names.count(name) > 1:
            raise RecordingError(
                f"{path}: has {names.count(name)} columns {name!r}: rename all but one"
            )
        if name not in names:
            existing = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
            raise NoChannelError(
                f"{path}: has no channel {name!r}: choose from {existing}"
            )
    return [names.index(name) for name in channels]


def at_full_scale(counts: NDArray[np.number], bits: int) -> Rows:
    """Return the rows of counts (n, channels) with one at an end of the range."""
    end = 1 << (bits - 1)
    ends = (counts == -end) | (counts == end - 1)
    return np.flatnonzero(ends.any(axis=1))
