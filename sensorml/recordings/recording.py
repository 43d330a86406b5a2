"""A recording, and the checks of every file format."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings.segments import Rows, Segment, jitter_ns, segments
from sensorml.recordings.spool import Samples, Scaled, Sliced, Times, pieces
from sensorml.recordings.tables.clocks import RATE_TOLERANCE
from sensorml.recordings.tables.units import factor
from sensorml.types import NO_ROWS, Block, Float32

MAX_VALUES: Final = 2**29
"""The most values of a recording: 2 GiB, or an hour of 3 × 48 kHz."""
MAX_TIME_NS: Final = 4 * 10**18
"""The largest distance of a time from 1970, so that differences fit 64 bits."""
FULL_SCALE: Final = "fs"
"""The unit of samples whose largest possible value is 1."""
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
    data: Samples
    """(n, channels), n >= 1, finite, in `unit`; read in slices."""
    channels: tuple[str, ...]
    unit: str
    """Empty if the file has none."""
    rate_hz: float
    """The rate of the rows without the gaps: measured if they have times, else
    nominal."""
    start_ns: int
    """Time of row 0 by the file's clock (UTC, or its own zero); 0 if unknown."""
    clipped: Sliced[np.intp]
    """Rows with a channel at the full scale of the file's integers, or, in a table, at
    a value that it seems unable to exceed."""
    segments: tuple[Segment, ...]
    """At least one; the first starts at row 0."""
    notes: tuple[str, ...] = ()
    """The reading of the file in words, for people; the first is the layout."""
    jitter_ns: float | None = None
    """The largest difference of 95 % of the steps from the period; None where
    the rows have no times."""

    @property
    def rows(self) -> int:
        return len(self.data)

    @property
    def samples(self) -> Float32:
        """Return all rows in memory, C-contiguous; `blocks` needs less of it."""
        return np.ascontiguousarray(self.data[:])

    def converted(self, unit: str) -> Recording:
        """Return the recording in `unit`; unchanged if its own does not convert."""
        scale = factor(self.unit, unit) if self.unit and unit else None
        if scale is None or self.unit == unit:
            return self
        note = f"converted from {self.unit} to {unit}"
        return replace(
            self,
            data=Scaled(self.data, scale),
            unit=unit,
            notes=(*self.notes, note),
        )

    def block(self, first: int, rows: int) -> Block:
        """Return at most `rows` rows from row `first` on, ending before a gap."""
        at = bisect_right(self.segments, first, key=lambda segment: segment.first)
        segment = self.segments[at - 1]
        later = self.segments[at].first if at < len(self.segments) else math.inf
        stop = int(min(first + rows, later, self.rows))
        offset = first - segment.first
        return Block(
            samples=np.ascontiguousarray(self.data[first:stop]),
            start_ns=segment.start_ns + round(offset * 1e9 / segment.rate_hz),
            rate_hz=segment.rate_hz,
            missed=segment.missed if offset == 0 else 0,
            clipped=self._clipped(first, stop),
        )

    def blocks(self, rows: int = 65_536) -> Iterator[Block]:
        """Yield all rows in order, at most `rows` (>= 1) at a time, split at gaps."""
        if rows < 1:
            raise ValueError(f"rows = {rows}: a block has at least one row")
        first = 0
        while first < self.rows:
            block = self.block(first, rows)
            first += len(block.samples)
            yield block

    def _clipped(self, first: int, stop: int) -> Rows:
        """Return the clipped rows in a range, counted from its first row."""
        count = len(self.clipped)
        if not count:
            return NO_ROWS

        def place(row: int) -> int:
            return bisect_left(
                range(count), row, key=lambda at: int(self.clipped[at : at + 1][0])
            )

        return self.clipped[place(first) : place(stop)] - first


class Infinite:
    """The rows with NaN or infinity, counted piece by piece."""

    def __init__(self) -> None:
        self._rows = 0
        self._count = 0
        self._first: tuple[int, int] = (0, 0)

    def add(self, samples: Float32) -> None:
        """Add the next rows."""
        finite = np.isfinite(samples)
        if not finite.all():
            of_row = finite.all(axis=1)
            if not self._count:
                row = int(np.argmin(of_row))
                self._first = self._rows + row, int(np.argmin(finite[row]))
            self._count += len(samples) - int(np.count_nonzero(of_row))
        self._rows += len(samples)

    def refuse(self, path: Path, channels: Sequence[str]) -> None:
        """Raise an error if there is one.

        Raises:
            RecordingError: naming the first of them.
        """
        if self._count:
            row, channel = self._first
            raise RecordingError(
                f"{path}: {self._count} of {self._rows} rows hold NaN or infinity, the "
                f"first is row {row + 1} in {channels[channel]!r}: remove those rows "
                "(with times, the gap is recognised), or leave out channels with "
                "--channels"
            )


def sound(
    path: Path,
    samples: Samples,
    *,
    channels: Sequence[str],
    unit: str,
    rate_hz: float | None,
    start_ns: int = 0,
    t_ns: Times | None = None,
    clipped: Sliced[np.intp] = NO_ROWS,
    infinite: Infinite | None = None,
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
        infinite: Those of the samples, if they were looked for already.

    Raises:
        RecordingError: it names what is wrong and what to do.
    """
    rows = len(samples)
    if rows == 0 or not channels:
        raise RecordingError(f"{path}: has no samples: make the recording again")
    if infinite is None:
        infinite = Infinite()
        for piece in pieces(samples):
            infinite.add(piece)
    infinite.refuse(path, channels)
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
        begin_ns = 0 if t_ns is None else int(t_ns[:1][0])
        parts = (Segment(0, begin_ns, float(rate_hz), 0),)
    if start_ns:
        ahead = start_ns - (0 if t_ns is None else int(t_ns[:1][0]))
        parts = tuple(p._replace(start_ns=p.start_ns + ahead) for p in parts)
    if abs(parts[-1].start_ns) > MAX_TIME_NS:
        raise RecordingError(f"{path}: {_ERA}: check its clock")
    return Recording(
        path=path,
        data=samples,
        channels=tuple(channels),
        unit=unit,
        rate_hz=mean_rate_hz(parts, rows),
        start_ns=parts[0].start_ns,
        clipped=clipped,
        segments=parts,
        jitter_ns=None if t_ns is None else jitter_ns(t_ns, parts[0].rate_hz),
    )


def mean_rate_hz(parts: Sequence[Segment], rows: int) -> float:
    """Return the rate of all rows together, without the gaps."""
    if len(parts) == 1:
        return parts[0].rate_hz
    counts = np.diff([part.first for part in parts], append=rows)
    return rows / float(np.sum(counts / [part.rate_hz for part in parts]))


def _timed(path: Path, t_ns: Times) -> tuple[Segment, ...]:
    """Check the times of at least two rows; return the segments between gaps."""
    if any(max(-int(t.min()), int(t.max())) > MAX_TIME_NS for t in pieces(t_ns)):
        raise RecordingError(f"{path}: {_ERA}: check the unit of its times")
    back, first, row = 0, 0, 0
    for piece in pieces(t_ns, overlap=1):
        falls = np.flatnonzero(np.diff(piece) < 0)
        if len(falls) and not back:
            first = max(0, row - 1) + int(falls[0]) + 2
        back += len(falls)
        row += len(piece) - (row > 0)
    if back:
        raise RecordingError(
            f"{path}: time goes back {back} times, first at row {first}: sort the rows "
            "by time, or cut it there"
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
