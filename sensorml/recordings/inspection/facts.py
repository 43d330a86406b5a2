"""Facts of a recording: what its file was understood to be, and what it looks like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from sensorml.recordings.inspection.checks import Column, check, stretches
from sensorml.recordings.inspection.spectrum import lines, spectrum
from sensorml.recordings.inspection.statistics import Statistics
from sensorml.recordings.joining import APART_ROWS
from sensorml.recordings.recording import Recording

_YEAR_2001_NS: Final = 978_307_200 * 10**9
_MOST_LISTED: Final = 20


class Gap(msgspec.Struct, frozen=True):
    """Rows that are missing."""

    row: int
    """The first row after it, counted from 1."""
    missed: int | None
    """Null where that is not known: another file or log begins."""


class LineFacts(msgspec.Struct, frozen=True):
    """A frequency that stands out of the spectrum."""

    hz: float
    amplitude: float


class Stretch(msgspec.Struct, frozen=True):
    """Consecutive rows, counted from 1."""

    first: int
    last: int


class ChannelFacts(msgspec.Struct, frozen=True):
    """One channel. Values are in its unit."""

    name: str
    unit: str
    mean: float
    level: float
    """RMS without DC."""
    low: float
    high: float
    resolution: float
    """The smallest usual step from row to row."""
    clipped: int
    """Rows at a value that the channel seems unable to exceed."""
    frozen: tuple[Stretch, ...]
    """The first 20 stretches in which it does not change."""
    lines: tuple[LineFacts, ...]
    """Dominant lines, the largest first."""


class FindingFacts(msgspec.Struct, frozen=True):
    """One finding of the checks that `train` runs first."""

    fault: str
    channels: tuple[str, ...]
    what: str
    cure: str
    refused: bool
    """True where `train` refuses the recording without --force."""


class Facts(msgspec.Struct, frozen=True):
    """One recording."""

    file: str
    notes: tuple[str, ...]
    """The reading of the file in words; the first is the layout, where it has one."""
    rows: int
    seconds: float
    """From the first row to the end of the last, gaps included."""
    start_ns: int
    """UTC, or the file's own clock; 0 if unknown."""
    rate_hz: float
    jitter_ms: float | None
    """The largest difference of 95 % of the steps from the period; null where
    the rows have no times."""
    missed: int
    """Rows missing in all gaps of which that is known."""
    gaps: tuple[Gap, ...]
    """The first 20 of them."""
    clipped: int
    """Rows at full scale."""
    longest_usual_run: int
    """The longest run of identical rows outside of the frozen stretches."""
    channels: tuple[ChannelFacts, ...]
    findings: tuple[FindingFacts, ...]
    """Worst first."""


def inspect(recording: Recording) -> Facts:
    """Describe a recording, and check it as `train` does.

    >>> import numpy as np
    >>> from sensorml.recordings import from_array
    >>> noise = np.random.default_rng(0).normal(size=(1000, 1))
    >>> facts = inspect(from_array(noise, rate_hz=100.0, unit="g"))
    >>> facts.rows, facts.seconds, facts.channels[0].unit, facts.findings
    (1000, 10.0, 'g', ())
    """
    statistics = Statistics(recording.data)
    last = recording.segments[-1]
    end_ns = last.start_ns + (recording.rows - last.first) * 1e9 / last.rate_hz
    gaps = [
        Gap(s.first + 1, None if s.missed == APART_ROWS else s.missed)
        for s in recording.segments
        if s.missed
    ]
    return Facts(
        file=str(recording.path),
        notes=recording.notes,
        rows=recording.rows,
        seconds=(end_ns - recording.start_ns) / 1e9,
        start_ns=recording.start_ns,
        rate_hz=recording.rate_hz,
        jitter_ms=None if recording.jitter_ns is None else recording.jitter_ns / 1e6,
        missed=sum(gap.missed or 0 for gap in gaps),
        gaps=tuple(gaps[:_MOST_LISTED]),
        clipped=len(recording.clipped),
        longest_usual_run=statistics.longest_usual_run,
        channels=_channels(recording, statistics),
        findings=tuple(
            FindingFacts(
                f.fault.value, f.channels, f.reason.what, f.reason.cure, f.refused
            )
            for f in check(recording, statistics)
        ),
    )


def start(facts: Facts) -> str:
    """Return when a recording began, in words; "" where that is not known."""
    if facts.start_ns < _YEAR_2001_NS:
        return ""
    at = datetime.fromtimestamp(facts.start_ns // 10**9, UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _channels(recording: Recording, statistics: Statistics) -> tuple[ChannelFacts, ...]:
    of = spectrum(recording)
    return tuple(
        ChannelFacts(
            name=name,
            unit=recording.unit,
            mean=channel.mean,
            level=channel.level,
            low=channel.low,
            high=channel.high,
            resolution=channel.resolution,
            clipped=channel.rail_rows,
            frozen=tuple(
                Stretch(run.first + 1, run.last + 1)
                for run in stretches(channel, Column(recording.data, i))[:_MOST_LISTED]
            ),
            lines=tuple(LineFacts(*line) for line in lines(of, i)) if of else (),
        )
        for i, (name, channel) in enumerate(
            zip(recording.channels, statistics.channels, strict=True)
        )
    )
