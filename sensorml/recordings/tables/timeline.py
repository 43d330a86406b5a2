"""From the times of a table's rows to segments: order, parts, gaps and rate.

Rows that are out of order within a second are sorted. Where time goes back
further (two logs in one file, the hour that comes twice in autumn), a new
segment begins. A rate that is given must agree with the times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import RecordingError
from sensorml.pipeline.extractor import SPECTRA_HZ
from sensorml.recordings.inspection.rails import at_rails
from sensorml.recordings.recording import MAX_TIME_NS, Recording, mean_rate_hz
from sensorml.recordings.segments import Int64, Rows, Segment, jitter_ns, segments
from sensorml.recordings.spool import (
    Samples,
    Spool,
    Times,
    View,
    pieces,
)
from sensorml.recordings.tables.clocks import RATE_TOLERANCE
from sensorml.recordings.tables.columns import Columns
from sensorml.recordings.tables.order import Order, in_order
from sensorml.recordings.tables.resampling import resampled
from sensorml.recordings.tables.time_texts import DAY_NS
from sensorml.types import NO_ROWS

_SORTED_NS: Final = 10**9
_APART: Final = 1 << 16
"""Rows said to be missing where time goes back, so that no window spans it."""
_ENOUGH: Final = 256  # steps from which a pace is called uneven
_SPREAD: Final = 0.15  # of the usual step, from the 10th percentile to the 90th
_AHEAD: Final = 64  # steps that are compared with one
_GAP: Final = 5.0  # steps, from which on a pause of an uneven pace is a gap
_MOST_BACK: Final = 0.01  # of the rows, before a column is no clock
_LOOKS: Final = 16  # parts of a long table, on which its pace is judged
_LOOK_ROWS: Final = 1 << 16


class Jump(NamedTuple):
    """A place at which rows of a file without times are missing."""

    row: int
    """The first row after it."""
    place: int
    """That of this row in the file, from that of row 0 on."""
    missed: int


class Jumps:
    """The places at which rows are missing, of rows that come chunk by chunk."""

    def __init__(self) -> None:
        self.found: list[Jump] = []
        self._rows = 0
        self._zero = 0
        self._last = 0

    def add(self, places: Rows) -> None:
        """Add the places in the file of the next rows."""
        if not len(places):
            return
        if not self._rows:
            self._zero = int(places[0])
            self._last = self._zero - 1
        steps = np.diff(places, prepend=self._last)
        for at in np.flatnonzero(steps > 1).tolist():
            place = int(places[at]) - self._zero
            self.found.append(Jump(self._rows + at, place, int(steps[at]) - 1))
        self._rows += len(places)
        self._last = int(places[-1])


class Timeline(NamedTuple):
    """The times of the rows."""

    segments: tuple[Segment, ...]
    rate_hz: float
    order: Order | None
    """The order that sorts the rows; None where they are sorted."""
    notes: tuple[str, ...]
    uneven_ns: Times | None = None
    """(n,), the times of the rows, where their pace is uneven."""
    jitter_ns: float | None = None
    """The difference of most steps from the period; None without times."""


def placed(
    path: Path, samples: Samples, columns: Columns, line: Timeline, notes: Sequence[str]
) -> Recording:
    """Return the rows of a table at their times."""
    width = len(columns.names)
    if line.order is not None:
        samples = line.order.applied(samples, Spool(path, np.float32, width))
    if line.uneven_ns is not None:
        into = Spool(path, np.float32, width)
        samples = resampled(samples, line.uneven_ns, line.segments, into)
    # A slow process rests at its ends (no flow, 100 % of humidity).
    fast = line.rate_hz >= SPECTRA_HZ
    return Recording(
        path=path,
        data=samples,
        channels=columns.names,
        unit=columns.unit,
        rate_hz=line.rate_hz,
        start_ns=line.segments[0].start_ns,
        clipped=at_rails(path, samples, width) if fast else NO_ROWS,
        segments=line.segments,
        notes=(*notes, *columns.remarks),
        jitter_ns=line.jitter_ns,
    )


def timeline(
    path: Path,
    t_ns: Times | None,
    jumps: Sequence[Jump],
    *,
    rate_hz: float | None,
    step_s: float,
    dated: bool,
    exact: bool,
    hint: str,
) -> Timeline:
    """Find the segments of a table's rows.

    Args:
        path: Where it is, for the messages.
        t_ns: (n,), the times of the rows; None where there are none.
        jumps: Without times, where rows are missing.
        rate_hz: The rate that was given.
        step_s: From row to row, from a header, or 0.
        dated: Whether the times have a date; else midnight is passed over.
        exact: Whether an uneven pace is kept.
        hint: For a table without times and rate.

    Raises:
        RecordingError: there is no rate, or two that differ, or no clock.
    """
    if rate_hz is not None and not 1e-6 <= rate_hz <= 1e9:  # also NaN
        raise RecordingError(
            f"{path}: a sample rate of {rate_hz:g} Hz is impossible: give the true "
            "one, above zero"
        )
    if t_ns is None or len(t_ns) < 2:
        start_ns = 0 if t_ns is None else int(t_ns[:1][0])
        return _untimed(
            path, start_ns, jumps, rate_hz=rate_hz, step_s=step_s, hint=hint
        )
    if not dated:
        t_ns = _past_midnight(path, t_ns)
    if any(max(-int(t.min()), int(t.max())) > MAX_TIME_NS for t in pieces(t_ns)):
        raise RecordingError(
            f"{path}: has times outside the years 1844 to 2096: check their unit"
        )
    return _timed(path, t_ns, rate_hz, exact=exact)


def _untimed(
    path: Path,
    start_ns: int,
    jumps: Sequence[Jump],
    *,
    rate_hz: float | None,
    step_s: float,
    hint: str,
) -> Timeline:
    rate = rate_hz or (1 / step_s if step_s > 0 else None)
    if rate is None:
        raise RecordingError(
            f"{path}: it does not contain the sample rate{hint}: give it with --rate"
        )
    if rate_hz and step_s > 0 and abs(rate_hz * step_s - 1) > RATE_TOLERANCE:
        raise RecordingError(
            f"{path}: its header says {1 / step_s:.6g} Hz and --rate says {rate_hz:g} "
            "Hz: leave out --rate, or give the true one"
        )
    found = [Segment(0, start_ns, rate, 0)]
    for jump in jumps:
        begun_ns = start_ns + round(jump.place * 1e9 / rate)
        found.append(Segment(jump.row, begun_ns, rate, jump.missed))
    return Timeline(tuple(found), rate, None, ())


def _past_midnight(path: Path, t_ns: Times) -> Times:
    """Add a day wherever times of day begin again."""
    later = Spool(path, np.int64)
    days = 0
    for before, piece in _with_row_before(t_ns):
        passed = np.cumsum(np.diff(piece, prepend=before) < -DAY_NS // 2) + days
        days = int(passed[-1])
        later.append(piece + passed * DAY_NS)
    return later


def _with_row_before(t_ns: Times) -> Iterator[tuple[Int64, Int64]]:
    """Yield all times in order, each piece with the time before it (its own first)."""
    last = t_ns[:1]
    for piece in pieces(t_ns):
        yield last, piece
        last = piece[-1:]


class _Backward(NamedTuple):
    """The rows at which time goes back."""

    restarts: tuple[int, ...]
    """By more than rows are sorted over; the first ones if they are too many."""
    of_restarts: int
    within: int
    """By less."""


def _backward(t_ns: Times) -> _Backward:
    restarts: list[int] = []
    count = within = row = 0
    most = max(3, _MOST_BACK * len(t_ns))
    for before, piece in _with_row_before(t_ns):
        steps = np.diff(piece, prepend=before)
        back = np.flatnonzero(steps < -_SORTED_NS)
        within += int(np.count_nonzero(steps < 0)) - len(back)
        if len(restarts) <= most:
            restarts += (back + row).tolist()
        count += len(back)
        row += len(piece)
    return _Backward(tuple(restarts), count, within)


def _timed(path: Path, t_ns: Times, rate_hz: float | None, *, exact: bool) -> Timeline:
    notes: list[str] = []
    usual_s = float(np.median(_steps(_looks(t_ns)))) / 1e9
    backward = _backward(t_ns)
    restarts = backward.restarts
    if backward.of_restarts > max(3, _MOST_BACK * len(t_ns)):
        raise RecordingError(
            f"{path}: its time goes back {backward.of_restarts} times, first at row "
            f"{restarts[0] + 1}, so the column is no clock: choose another with "
            "--time, or name it in --channels if it is a channel"
        )
    edges = [0, *restarts, len(t_ns)]
    order = None
    if backward.within:
        order = in_order(path, t_ns, edges)
        t_ns = order.applied(t_ns, Spool(path, np.int64))
        notes.append(
            f"sorted: {backward.within} rows that were out of order within a second"
        )
    looks = _looks(t_ns)
    uneven = None if exact else _uneven(looks)
    found = (
        _parts(path, t_ns, edges)
        if uneven is None
        else _even_parts(t_ns, edges, uneven)
    )
    rate = mean_rate_hz(found, len(t_ns))
    if restarts:
        first = restarts[0]
        back_s = -int(np.diff(t_ns[first - 1 : first + 1])[0]) / 1e9
        notes.append(
            f"time goes back {len(restarts)} times, first by {back_s:.6g} s at row "
            f"{first + 1}: a new segment begins there"
        )
    lost = sum(s.missed for s in found if s.first not in set(restarts))
    if lost:
        gaps = sum(bool(s.missed) for s in found) - len(restarts)
        notes.append(f"gaps: {gaps}, in which {lost} rows are missing")
    if rate_hz is not None:
        measured = [rate] + ([1 / usual_s] if usual_s > 0 else [])
        if all(abs(one / rate_hz - 1) > RATE_TOLERANCE for one in measured):
            raise RecordingError(
                f"{path}: its times say {rate:.6g} Hz and --rate says {rate_hz:g} Hz: "
                "leave out --rate, or choose the unit of the times with --time-unit"
            )
    if uneven is not None:
        low, high = np.percentile(_steps(looks), [10, 90]) / 1e6
        notes.append(
            f"uneven pace: mostly {low:.4g} to {high:.4g} ms from row to row: "
            f"resampled to {rate:.6g} Hz"
        )
    return Timeline(
        found,
        rate,
        order,
        tuple(notes),
        None if uneven is None else t_ns,
        jitter_ns(t_ns, rate),
    )


def _looks(t_ns: Times) -> list[Int64]:
    """Return all times, or parts of consecutive ones at even distances."""
    rows = len(t_ns)
    if rows <= _LOOKS * _LOOK_ROWS:
        return [t_ns[:]]
    firsts = np.linspace(0, rows - _LOOK_ROWS, _LOOKS).astype(np.int64).tolist()
    return [t_ns[first : first + _LOOK_ROWS] for first in firsts]


def _steps(looks: Sequence[Int64], over: int = 1) -> Int64:
    """Return how much later each row is than the one so many rows before."""
    return np.concatenate([look[over:] - look[:-over] for look in looks])


def _uneven(looks: Sequence[Int64]) -> float | None:
    """Return the mean step in ns of rows that come at no even pace, else None.

    Late rows of an even pace are followed by short steps, and so are times that were
    rounded up: many steps together vary no more than one. The steps of a script that
    sleeps add up to a random walk, which varies with the root of their number.
    """
    steps = _steps(looks).astype(np.float64)
    usual = float(np.median(steps)) if len(steps) >= _ENOUGH else 0.0
    if usual <= 0:
        return None
    low, high = np.percentile(steps, [10, 90])
    apart = np.diff(np.unique(steps[:4096]))
    rounding = float(apart.min()) if len(apart) else 0.0
    if high - low - rounding < _SPREAD * usual:
        return None
    spans = _steps(looks, _AHEAD).astype(np.float64)
    shortest, longest = np.percentile(spans, [10, 90])
    if longest - shortest < 0.6 * _AHEAD**0.5 * (high - low):
        return None
    return float(np.mean(steps[steps < _GAP * usual]))


def _even_parts(t_ns: Times, edges: list[int], step: float) -> tuple[Segment, ...]:
    """Find the segments of rows of an uneven pace: only long steps are gaps."""
    gaps: list[int] = []
    row = 0
    for before, piece in _with_row_before(t_ns):
        late = np.diff(piece, prepend=before) > _GAP * step
        gaps += (np.flatnonzero(late) + row).tolist()
        row += len(piece)
    apart = set(edges)
    found: list[Segment] = []
    ended_ns = 0
    for first, end in pairwise([*sorted({*edges[:-1], *gaps}), len(t_ns)]):
        begun_ns, last_ns = (int(t_ns[row : row + 1][0]) for row in (first, end - 1))
        span = last_ns - begun_ns
        rate = (end - first - 1) * 1e9 / span if span > 0 else 1e9 / step
        missed = 0
        if first:
            passed = (begun_ns - ended_ns) / step
            missed = _APART if first in apart else max(1, round(passed) - 1)
        found.append(Segment(first, begun_ns, rate, missed))
        ended_ns = last_ns
    return tuple(found)


def _parts(path: Path, t_ns: Times, edges: list[int]) -> tuple[Segment, ...]:
    """Find the segments between the places where time goes back."""
    found: list[Segment] = []
    single: list[int] = []
    for begin, end in pairwise(edges):
        missed = _APART if begin else 0
        part = View(t_ns, begin, end)
        if end - begin < 2:
            single.append(len(found))
            found.append(Segment(begin, int(part[:1][0]), 1.0, missed))
            continue
        try:
            inner = segments(part)
        except ValueError as err:
            raise RecordingError(
                f"{path}: {err} from row to row: correct them, or remove them and give "
                "the sample rate"
            ) from err
        for each in inner:
            lost = missed if each.first == 0 else each.missed
            found.append(each._replace(first=each.first + begin, missed=lost))
    rates = [s.rate_hz for i, s in enumerate(found) if i not in single]
    for i in single:
        found[i] = found[i]._replace(rate_hz=rates[0] if rates else 1.0)
    return tuple(found)
