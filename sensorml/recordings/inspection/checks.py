"""Checks of a recording before a model learns from it. Pure.

A model that learns from a sensor that has died, a clock or a cut-off signal calls
a broken machine normal; each check finds one of these, with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import Reason
from sensorml.pipeline.extractor import SPECTRA_HZ
from sensorml.recordings.inspection.levels import Quiet
from sensorml.recordings.inspection.runs import LONG, Run
from sensorml.recordings.inspection.statistics import ChannelStatistics, Statistics
from sensorml.recordings.recording import Recording
from sensorml.recordings.spool import Samples, pieces

MOST_FROZEN: Final = 0.01
MOST_QUIET: Final = 0.01
MOST_CLIPPED: Final = 0.01
_QUIET: Final = (60, 100)  # times the level elsewhere: of a fast process, a slow one
_LEAST_ROWS: Final = 16
_CRESTS: Final = 16  # runs at full scale
_RESTS: Final = 3  # of a slow process
_FINE: Final = 4  # rows of the usual run of a channel that is not in steps
_ONE_WAY: Final = 0.995  # of the steps of a clock that was set back a few times
_MANY_STEPS: Final = 200
_FEW_STEPS: Final = 8


class Fault(StrEnum):
    """The kinds of findings."""

    DEAD = "dead"
    FROZEN = "frozen"
    QUIET = "quiet"
    CLIPPED = "clipped"
    MONOTONIC = "monotonic"
    STEPS = "steps"


_CURES: Final = {
    Fault.DEAD: "leave it out with --channels, or repair the sensor and record again",
    Fault.FROZEN: "repair the sensor and record again, or cut these rows out",
    Fault.QUIET: "repair the sensor and record again; if the machine stood still, cut "
    "these rows out, or record that state by itself",
    Fault.CLIPPED: "record again with a larger range of the sensor",
    Fault.MONOTONIC: "leave it out with --channels, or name it as the time with --time",
    Fault.STEPS: "leave it out with --channels, and train a model of its own on it",
}


class Finding(NamedTuple):
    """One thing that is wrong with a recording."""

    fault: Fault
    channels: tuple[str, ...]
    what: str
    share: float
    """Of the rows."""
    rows: tuple[int, int]
    """The first and last of them (or of their longest stretch), counted from 1."""
    refused: bool
    """True where no model may learn from it."""

    @property
    def reason(self) -> Reason:
        return Reason(f"{_named(self.channels)} {self.what}", _CURES[self.fault])


class Column(NamedTuple):
    """One channel of a recording."""

    samples: Samples
    place: int
    """Among the channels."""

    def at(self, row: int) -> float:
        return float(self.samples[row : row + 1][0, self.place])

    def first_of(self, value: float) -> int:
        """Return the first row with a value, 0 if there is none."""
        row = 0
        for piece in pieces(self.samples):
            found = np.flatnonzero(piece[:, self.place] == np.float32(value))
            if len(found):
                return row + int(found[0])
            row += len(piece)
        return 0


def check(
    recording: Recording, statistics: Statistics | None = None
) -> tuple[Finding, ...]:
    """Find what is wrong with a recording, worst first.

    Args:
        recording: to be checked.
        statistics: of its samples, where they are there already.

    >>> import numpy as np
    >>> from sensorml.recordings import from_array
    >>> noise = np.random.default_rng(0).normal(size=(1000, 1))
    >>> noise[600:] = 0.25
    >>> [finding] = check(from_array(noise, rate_hz=100.0))
    >>> str(finding.reason).partition(":")[0]
    "channel 'ch1' is frozen at 0.25 in rows 601 to 1000, 40 % of the recording"
    """
    statistics = statistics or Statistics(recording.data)
    found = [
        finding
        for name, channel in zip(recording.channels, statistics.channels, strict=True)
        for finding in _of_channel(recording, name, channel)
    ]
    found += _in_steps(recording, statistics, {f.channels[0] for f in found})
    if not {Fault.CLIPPED, Fault.FROZEN} & {finding.fault for finding in found}:
        found += _full_scale(recording)
    order = list(Fault)
    found.sort(key=lambda f: (not f.refused, order.index(f.fault)))
    return tuple(_together(found))


def _of_channel(
    recording: Recording, name: str, channel: ChannelStatistics
) -> Iterator[Finding]:
    rows = channel.rows
    if rows < _LEAST_ROWS:
        return
    if channel.low == channel.high:
        what = f"is {channel.low:.6g} in all {rows} rows"
        yield Finding(Fault.DEAD, (name,), what, 1.0, (1, rows), refused=True)
        return
    if (way := _one_way(channel)) is not None:
        yield Finding(Fault.MONOTONIC, (name,), way, 1.0, (1, rows), refused=True)
        return
    column = Column(recording.data, recording.channels.index(name))
    slow = recording.rate_hz < SPECTRA_HZ
    stopped = stretches(channel, column)
    if stopped:
        yield _frozen(name, channel, column, stopped, slow=slow)
    elif quiet := channel.levels.quiet(slow=slow):
        yield _quiet(name, quiet, rows, slow=slow)
    at_rail = sum(run.rows for run in stopped if _is_at_rail(channel, column, run))
    cut_off = channel.rail_rows - at_rail
    if cut_off > 0 and not slow:  # a slow process rests at its ends
        yield _clipped(name, channel, column, cut_off / rows)


def stretches(channel: ChannelStatistics, column: Column) -> tuple[Run, ...]:
    """Return the stretches in which the sensor of a channel has stopped.

    One long run at full scale is a sensor that has stopped there; many are the crests
    of a signal that is cut off.
    """
    frozen = channel.frozen
    elsewhere = tuple(r for r in frozen if not _is_at_rail(channel, column, r))
    return elsewhere if len(frozen) - len(elsewhere) >= _CRESTS else frozen


def _is_at_rail(channel: ChannelStatistics, column: Column, run: Run) -> bool:
    return column.at(run.first) in channel.rails


def _one_way(channel: ChannelStatistics) -> str | None:
    """Return how a channel runs in one direction, None where it does not."""
    steps = channel.rises + channel.falls
    for word, times in (("rises", channel.rises), ("falls", channel.falls)):
        if times == steps and steps >= _FEW_STEPS:
            return f"only {word}, as a clock or a counter does"
        if steps >= _MANY_STEPS and times >= _ONE_WAY * steps:
            return f"{word} in all but {steps - times} rows, as a clock does"
    return None


def _frozen(
    name: str,
    channel: ChannelStatistics,
    column: Column,
    frozen: Sequence[Run],
    *,
    slow: bool,
) -> Finding:
    crests = sum(r.rows for r in channel.frozen) - sum(r.rows for r in frozen)
    share = (channel.frozen_rows - crests) / channel.rows
    longest = max(frozen, key=lambda run: run.rows)
    value = column.at(longest.first)
    rows = (longest.first + 1, longest.last + 1)
    stretch = f"rows {rows[0]} to {rows[1]}"
    part = f"{_percent(share)} of the recording"
    if len(frozen) == 1:
        what = f"is frozen at {value:.6g} in {stretch}, {part}"
    else:
        what = (
            f"is frozen in {len(frozen)} stretches, {part}; the longest is {stretch}, "
            f"at {value:.6g}"
        )
    # No flow, no current, 100 % of humidity: a slow process rests at its ends.
    rests = slow and len(frozen) >= _RESTS and _at_one_end(channel, column, frozen)
    refused = share > MOST_FROZEN and not rests
    return Finding(Fault.FROZEN, (name,), what, share, rows, refused=refused)


def _quiet(name: str, quiet: Sequence[Quiet], rows: int, *, slow: bool) -> Finding:
    share = sum(stretch.rows for stretch in quiet) / rows
    longest = max(quiet, key=lambda stretch: stretch.rows)
    place = (longest.first + 1, longest.last + 1)
    what = (
        f"has nearly no signal in rows {place[0]} to {place[1]}, "
        f"{_percent(longest.rows / rows)} of the recording: its level there is 1/"
        f"{longest.times:.2g} of that elsewhere"
    )
    refused = share > MOST_QUIET and longest.times > _QUIET[slow]
    return Finding(Fault.QUIET, (name,), what, share, place, refused=refused)


def _at_one_end(
    channel: ChannelStatistics, column: Column, frozen: Sequence[Run]
) -> bool:
    values = {column.at(run.first) for run in frozen}
    return values in ({channel.low}, {channel.high})


def _clipped(
    name: str, channel: ChannelStatistics, column: Column, share: float
) -> Finding:
    first = column.first_of(channel.rails[0]) + 1
    ends = " and ".join(f"{rail:.6g}" for rail in channel.rails)
    what = (
        f"is cut off at {ends} in {_percent(share)} of the rows, first in row {first}"
    )
    refused = share > MOST_CLIPPED
    return Finding(Fault.CLIPPED, (name,), what, share, (first, first), refused=refused)


def _full_scale(recording: Recording) -> Iterator[Finding]:
    """Find rows at the full scale of the file's integers."""
    clipped = recording.clipped
    if not len(clipped):
        return
    share = len(clipped) / recording.rows
    first = int(clipped[:1][0]) + 1
    what = f"are at full scale in {_percent(share)} of the rows, first in row {first}"
    if len(recording.channels) == 1:
        what = f"is{what.removeprefix('are')}"
    refused = share > MOST_CLIPPED
    yield Finding(
        Fault.CLIPPED, recording.channels, what, share, (first, first), refused=refused
    )


def _in_steps(
    recording: Recording, statistics: Statistics, others: set[str]
) -> Iterator[Finding]:
    """Find channels that change far less often than the rows of others."""
    usual = [channel.runs.usual() for channel in statistics.channels]
    if recording.rate_hz < SPECTRA_HZ or min(usual) > _FINE:
        return
    for name, channel, rows in zip(
        recording.channels, statistics.channels, usual, strict=True
    ):
        if rows >= LONG and name not in others:
            what = (
                f"is in steps of {channel.resolution:.3g} and keeps a value for "
                f"{rows} rows, coarser than its noise and than the other channels"
            )
            all_rows = (1, channel.rows)
            yield Finding(Fault.STEPS, (name,), what, 1.0, all_rows, refused=True)


def _together(found: Sequence[Finding]) -> Iterator[Finding]:
    """Join findings that differ only in the channel."""

    def but_channels(finding: Finding) -> Finding:
        return finding._replace(channels=())

    for alike, group in groupby(found, key=but_channels):
        names = [name for finding in group for name in finding.channels]
        what = alike.what
        if len(names) > 1 and what.startswith("is "):
            what = f"are{what.removeprefix('is')}"
        if len(names) > 1 and what.startswith("has "):
            what = f"have{what.removeprefix('has')}"
        yield alike._replace(channels=tuple(dict.fromkeys(names)), what=what)


def _named(channels: Sequence[str]) -> str:
    names = ", ".join(repr(name) for name in channels)
    return f"channel{'s' if len(channels) > 1 else ''} {names}"


def _percent(share: float) -> str:
    """Return a share in words, never rounded to nothing.

    >>> _percent(0.4), _percent(0.0123), _percent(0.00001)
    ('40 %', '1.2 %', '0.001 %')
    """
    return f"{100 * share:.{'0f' if share >= 0.1 else '2g'}} %"
