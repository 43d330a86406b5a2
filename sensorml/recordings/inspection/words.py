"""Facts of a recording in words, for people."""

from __future__ import annotations

from collections.abc import Iterator

from sensorml.recordings.inspection.facts import ChannelFacts, Facts, start


def words(facts: Facts) -> str:
    """Return the facts as lines of text."""
    return "\n".join(_lines(facts))


def _lines(facts: Facts) -> Iterator[str]:
    yield facts.file
    for note in facts.notes:
        yield f"  {note}"
    begun = start(facts)
    since = f", from {begun}" if begun else ""
    yield f"  length     {facts.rows} rows, {facts.seconds:.6g} s{since}"
    jitter = "no times in the file"
    if facts.jitter_ms is not None:
        jitter = f"95 % of the steps within ± {facts.jitter_ms:.3g} ms"
    yield f"  rate       {facts.rate_hz:.6g} Hz, {jitter}"
    yield f"  gaps       {_gaps(facts)}"
    if facts.clipped:
        share = facts.clipped / facts.rows
        yield f"  clipped    {facts.clipped} rows, {100 * share:.2g} %"
    for channel in facts.channels:
        yield from _channel(channel)
    for finding in facts.findings:
        word = "REFUSED" if finding.refused else "warning"
        yield f"  {word}    {finding.what}: {finding.cure}"
    if not any(finding.refused for finding in facts.findings):
        yield "  checks     nothing that train refuses"


def _gaps(facts: Facts) -> str:
    if not facts.gaps:
        return "none"
    shown = ", ".join(
        f"row {gap.row} ({gap.missed or 'another part'})" for gap in facts.gaps[:5]
    )
    return f"{facts.missed} rows missing, before {shown}" + (
        ", …" if len(facts.gaps) > 5 else ""
    )


def _channel(channel: ChannelFacts) -> Iterator[str]:
    unit = f" {channel.unit}" if channel.unit else ""
    yield (
        f"  {channel.name:10} {channel.low:.5g} to {channel.high:.5g}{unit}, mean "
        f"{channel.mean:.5g}, level {channel.level:.4g} (RMS without DC), steps of "
        f"{channel.resolution:.3g}"
    )
    if channel.lines:
        shown = ", ".join(
            f"{_frequency(line.hz)} ({line.amplitude:.3g})" for line in channel.lines
        )
        yield f"             lines: {shown}"
    if channel.clipped:
        yield f"             {channel.clipped} rows at a value it does not exceed"
    if channel.frozen:
        shown = ", ".join(f"{x.first} to {x.last}" for x in channel.frozen[:3])
        more = ", …" if len(channel.frozen) > 3 else ""
        yield f"             frozen: rows {shown}{more}"


def _frequency(hz: float) -> str:
    """Return a frequency in words, that of a slow process as its period.

    >>> _frequency(13.0), _frequency(1 / 3600)
    ('13 Hz', 'every 3600 s')
    """
    return f"{hz:.4g} Hz" if hz >= 0.01 else f"every {1 / hz:.4g} s"
