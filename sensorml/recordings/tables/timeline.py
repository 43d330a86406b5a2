"""From the times of a table's rows to segments: order, parts, gaps and rate.

Rows that are out of order within a second are sorted. Where time goes back
further (two logs in one file, the hour that comes twice in autumn), a new
segment begins. A rate that is given must agree with the times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import RecordingError
from sensorml.pipeline.extractor import SPECTRA_HZ
from sensorml.recordings.inspection.rails import at_rails
from sensorml.recordings.recording import MAX_TIME_NS, Recording, mean_rate_hz
from sensorml.recordings.segments import Int64, Rows, Segment, jitter_ns, segments
from sensorml.recordings.tables.clocks import RATE_TOLERANCE
from sensorml.recordings.tables.columns import Columns
from sensorml.recordings.tables.time_texts import DAY_NS
from sensorml.types import NO_ROWS, Float32

_SORTED_NS: Final = 10**9
_APART: Final = 1 << 16
"""Rows said to be missing where time goes back, so that no window spans it."""
_ENOUGH: Final = 256  # steps from which a pace is called uneven
_SPREAD: Final = 0.15  # of the usual step, from the 10th percentile to the 90th
_AHEAD: Final = 64  # steps that are compared with one
_GAP: Final = 5.0  # steps, from which on a pause of an uneven pace is a gap
_MOST_BACK: Final = 0.01  # of the rows, before a column is no clock


class Timeline(NamedTuple):
    """The times of the rows."""

    segments: tuple[Segment, ...]
    rate_hz: float
    order: Rows | None
    """The order that sorts the rows; None where they are sorted."""
    notes: tuple[str, ...]
    uneven_ns: Int64 | None = None
    """(n,), the times of the rows, where their pace is uneven."""
    jitter_ns: float | None = None
    """The difference of most steps from the period; None without times."""


def placed(
    path: Path, samples: Float32, columns: Columns, line: Timeline, notes: Sequence[str]
) -> Recording:
    """Return the rows of a table at their times."""
    if line.order is not None:
        samples = samples[line.order]
    if line.uneven_ns is not None:
        samples = resampled(samples, line.uneven_ns, line.segments)
    return Recording(
        path=path,
        samples=samples,
        channels=columns.names,
        unit=columns.unit,
        rate_hz=line.rate_hz,
        start_ns=line.segments[0].start_ns,
        # A slow process rests at its ends (no flow, 100 % of humidity).
        clipped=at_rails(samples) if line.rate_hz >= SPECTRA_HZ else NO_ROWS,
        segments=line.segments,
        notes=(*notes, *columns.remarks),
        jitter_ns=line.jitter_ns,
    )


def resampled(samples: Float32, t_ns: Int64, segments: tuple[Segment, ...]) -> Float32:
    """Interpolate rows of an uneven pace at even times, segment by segment."""
    even = np.empty_like(samples)
    edges = [*(segment.first for segment in segments), len(samples)]
    for begin, end in pairwise(edges):
        at = (t_ns[begin:end] - t_ns[begin]).astype(np.float64)
        wanted = np.linspace(0, at[-1], end - begin)
        for channel in range(samples.shape[1]):
            even[begin:end, channel] = np.interp(
                wanted, at, samples[begin:end, channel]
            )
    return even


def timeline(
    path: Path,
    t_ns: Int64 | None,
    rows: Rows,
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
        rows: Without times, the place of each row in the file.
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
        start_ns = 0 if t_ns is None else int(t_ns[0])
        return _untimed(path, start_ns, rows, rate_hz=rate_hz, step_s=step_s, hint=hint)
    if not dated:
        t_ns = _past_midnight(t_ns)
    if max(abs(int(t_ns.min())), abs(int(t_ns.max()))) > MAX_TIME_NS:
        raise RecordingError(
            f"{path}: has times outside the years 1844 to 2096: check their unit"
        )
    return _timed(path, t_ns, rate_hz, exact=exact)


def _untimed(
    path: Path,
    start_ns: int,
    rows: Rows,
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
    jumps = np.flatnonzero(np.diff(rows) > 1) + 1
    first = int(rows[0]) if len(rows) else 0
    found = [Segment(0, start_ns, rate, 0)]
    for at in jumps.tolist():
        begun = start_ns + round((int(rows[at]) - first) * 1e9 / rate)
        found.append(Segment(at, begun, rate, int(rows[at] - rows[at - 1]) - 1))
    return Timeline(tuple(found), rate, None, ())


def _past_midnight(t_ns: Int64) -> Int64:
    """Add a day wherever times of day begin again."""
    days = np.zeros(len(t_ns), np.int64)
    days[1:] = np.cumsum(np.diff(t_ns) < -DAY_NS // 2)
    later: Int64 = t_ns + days * DAY_NS
    return later


def _timed(path: Path, t_ns: Int64, rate_hz: float | None, *, exact: bool) -> Timeline:
    notes: list[str] = []
    steps = np.diff(t_ns)
    usual_s = float(np.median(steps)) / 1e9
    restarts = _restarts(t_ns)
    if len(restarts) > max(3, _MOST_BACK * len(t_ns)):
        raise RecordingError(
            f"{path}: its time goes back {len(restarts)} times, first at row "
            f"{restarts[0] + 1}, so the column is no clock: choose another with "
            "--time, or name it in --channels if it is a channel"
        )
    order = np.arange(len(t_ns))
    edges = [0, *restarts.tolist(), len(t_ns)]
    moved = 0
    for begin, end in pairwise(edges):
        part = t_ns[begin:end]
        if (np.diff(part) < 0).any():
            order[begin:end] = begin + np.argsort(part, kind="stable")
            moved += int(np.count_nonzero(np.diff(part) < 0))
    if moved:
        t_ns = t_ns[order]
        notes.append(f"sorted: {moved} rows that were out of order within a second")
    uneven = None if exact else _uneven(t_ns)
    found = (
        _parts(path, t_ns, edges)
        if uneven is None
        else _even_parts(t_ns, edges, uneven)
    )
    rate = mean_rate_hz(found, len(t_ns))
    if len(restarts):
        back_s = (t_ns[restarts - 1] - t_ns[restarts]) / 1e9
        notes.append(
            f"time goes back {len(restarts)} times, first by {back_s[0]:.6g} s at row "
            f"{restarts[0] + 1}: a new segment begins there"
        )
    lost = sum(s.missed for s in found if s.first not in set(restarts.tolist()))
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
        low, high = np.percentile(np.diff(t_ns), [10, 90]) / 1e6
        notes.append(
            f"uneven pace: mostly {low:.4g} to {high:.4g} ms from row to row: "
            f"resampled to {rate:.6g} Hz"
        )
    return Timeline(
        found,
        rate,
        order if moved else None,
        tuple(notes),
        None if uneven is None else t_ns,
        jitter_ns(t_ns, rate),
    )


def _uneven(t_ns: Int64) -> float | None:
    """Return the mean step in ns of rows that come at no even pace, else None.

    Late rows of an even pace are followed by short steps, and so are times that were
    rounded up: many steps together vary no more than one. The steps of a script that
    sleeps add up to a random walk, which varies with the root of their number.
    """
    steps = np.diff(t_ns).astype(np.float64)
    usual = float(np.median(steps)) if len(steps) >= _ENOUGH else 0.0
    if usual <= 0:
        return None
    low, high = np.percentile(steps, [10, 90])
    apart = np.diff(np.unique(steps[:4096]))
    rounding = float(apart.min()) if len(apart) else 0.0
    if high - low - rounding < _SPREAD * usual:
        return None
    spans = (t_ns[_AHEAD:] - t_ns[:-_AHEAD]).astype(np.float64)
    shortest, longest = np.percentile(spans, [10, 90])
    if longest - shortest < 0.6 * _AHEAD**0.5 * (high - low):
        return None
    return float(np.mean(steps[steps < _GAP * usual]))


def _even_parts(t_ns: Int64, edges: list[int], step: float) -> tuple[Segment, ...]:
    """Find the segments of rows of an uneven pace: only long steps are gaps."""
    gaps = (np.flatnonzero(np.diff(t_ns) > _GAP * step) + 1).tolist()
    firsts = sorted({*edges[:-1], *gaps})
    found: list[Segment] = []
    for first, end in pairwise([*firsts, len(t_ns)]):
        span = int(t_ns[end - 1] - t_ns[first])
        rate = (end - first - 1) * 1e9 / span if span > 0 else 1e9 / step
        missed = 0
        if first:
            passed = float(t_ns[first] - t_ns[first - 1]) / step
            missed = _APART if first in edges else max(1, round(passed) - 1)
        found.append(Segment(first, int(t_ns[first]), rate, missed))
    return tuple(found)


def _restarts(t_ns: Int64) -> Rows:
    """Return the rows at which time goes back for longer than rows are sorted."""
    return np.flatnonzero(np.diff(t_ns) < -_SORTED_NS) + 1


def _parts(path: Path, t_ns: Int64, edges: list[int]) -> tuple[Segment, ...]:
    """Find the segments between the places where time goes back."""
    found: list[Segment] = []
    single: list[int] = []
    for begin, end in pairwise(edges):
        missed = _APART if begin else 0
        part = t_ns[begin:end]
        if end - begin < 2:
            single.append(len(found))
            found.append(Segment(begin, int(part[0]), 1.0, missed))
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
