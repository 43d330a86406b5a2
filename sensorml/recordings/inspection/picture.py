"""Pictures of a recording for people: waveform, spectrum, spectrogram of each channel.

Drawn with matplotlib (the extra `plot`), as `.png`, `.svg` or `.pdf`; as `.html` with
the facts in words above the picture.
"""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import MissingExtraError, OutputError
from sensorml.files import replacing
from sensorml.pipeline.spectra import power_taper
from sensorml.recordings.inspection.facts import Facts
from sensorml.recordings.inspection.spectrum import Spectrum, spectrum
from sensorml.recordings.recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS: Final = (".png", ".svg", ".pdf", ".html")
_MOST_CHANNELS: Final = 8
_POINTS: Final = 2000  # of a waveform, each with its smallest and largest value
_COLUMNS: Final = 400  # of a spectrogram
_DECIBELS: Final = 80.0  # below the largest value of a spectrogram
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}}
pre{{white-space:pre-wrap}}img{{max-width:100%}}</style>
<h1>{title}</h1><pre>{text}</pre><img alt="what the words describe, drawn over time"
src="data:image/png;base64,{image}"></html>
"""


def check(path: Path) -> None:
    """Check the ending of the name of a picture.

    Raises:
        OutputError: it is none of `ENDINGS`.
    """
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(
            f"{path}: has no ending of a picture: choose one of {', '.join(ENDINGS)}"
        )


def save(path: Path, recording: Recording, facts: Facts, words: str) -> None:
    """Draw a recording into a file; it is replaced as a whole or not at all.

    Args:
        path: its ending is one of `ENDINGS`.
        recording: to be drawn.
        facts: of the recording; what they name is marked.
        words: the same for people, for a page.

    Raises:
        OutputError: the ending is unknown, or the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    check(path)
    write(path, figure(recording, facts), title=recording.path.name, text=words)


def write(path: Path, drawn: Figure, *, title: str, text: str) -> None:
    """Write a figure; `title` and `text` are those of an `.html` page.

    Raises:
        OutputError: the file cannot be written.
    """
    ending = path.suffix.lower()
    image = io.BytesIO()
    form = "png" if ending == ".html" else ending[1:]
    drawn.savefig(image, format=form, dpi=110)
    content = image.getvalue()
    if ending == ".html":
        page = _PAGE.format(
            title=html.escape(title),
            text=html.escape(text),
            image=base64.b64encode(content).decode(),
        )
        content = page.encode()
    with replacing(path) as file:
        file.write(content)


def figure(recording: Recording, facts: Facts) -> Figure:
    """Draw a recording: a row for each of at most 8 channels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            "plots need matplotlib: install it with pip install 'sensorml[plot]'"
        ) from err
    shown = recording.channels[:_MOST_CHANNELS]
    drawn = Figure(figsize=(15, 1 + 2.7 * len(shown)), layout="constrained")
    more = len(recording.channels) - len(shown)
    title = f"{recording.path.name}: {recording.rate_hz:.6g} Hz, {facts.seconds:.6g} s"
    drawn.suptitle(title + (f" ({more} more channels)" if more else ""))
    rows = drawn.subplots(len(shown), 3, squeeze=False)
    of = spectrum(recording)
    for number, axes in enumerate(rows):
        _waveform(axes[0], recording, facts, number)
        if of is not None:
            _spectrum(axes[1], of, facts, number)
            _spectrogram(axes[2], recording, number, len(of.hz))
    for axes, name in zip(
        rows[0], ("waveform", "spectrum", "spectrogram in dB"), strict=True
    ):
        axes.set_title(name)
    rows[-1][0].set_xlabel("time in s")
    rows[-1][1].set_xlabel("frequency in Hz")
    rows[-1][2].set_xlabel("time in s")
    return drawn


def _seconds(recording: Recording, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the times of some rows, from the first row of all."""
    firsts = np.array([segment.first for segment in recording.segments])
    at = np.searchsorted(firsts, rows, side="right") - 1
    starts = np.array([s.start_ns - recording.start_ns for s in recording.segments])
    rates = np.array([segment.rate_hz for segment in recording.segments])
    seconds: NDArray[np.float64] = starts[at] / 1e9 + (rows - firsts[at]) / rates[at]
    return seconds


def _waveform(axes: Axes, recording: Recording, facts: Facts, number: int) -> None:
    """Draw the smallest and the largest value of each part; mark frozen stretches."""
    column = recording.samples[:, number]
    channel = facts.channels[number]
    step = max(1, len(column) // _POINTS)
    firsts = np.arange(0, len(column), step)
    times_s = _seconds(recording, firsts)
    low = np.minimum.reduceat(column, firsts)
    high = np.maximum.reduceat(column, firsts)
    if step == 1:
        axes.plot(times_s, column, linewidth=0.6)
    else:
        axes.fill_between(times_s, low, high, linewidth=0.6, edgecolor="tab:blue")
    for stretch in channel.frozen:
        ends = _seconds(recording, np.array([stretch.first - 1, stretch.last - 1]))
        axes.axvspan(*ends.tolist(), color="tab:red", alpha=0.25, label="frozen")
    if len(recording.clipped):
        clipped = recording.clipped[:: max(1, len(recording.clipped) // _POINTS)]
        rows = clipped[np.isin(column[clipped], (channel.low, channel.high))]
        axes.plot(
            _seconds(recording, rows), column[rows], "r.", markersize=3, label="clipped"
        )
    for gap in facts.gaps:
        at_s = float(_seconds(recording, np.array([gap.row - 1]))[0])
        axes.axvline(at_s, color="tab:orange", linewidth=0.8, label="gap")
    handles, labels = axes.get_legend_handles_labels()
    if by_name := dict(zip(labels, handles, strict=True)):
        axes.legend(by_name.values(), by_name.keys(), loc="upper right", fontsize=8)
    unit = f" in {channel.unit}" if channel.unit else ""
    axes.set_ylabel(f"{channel.name}{unit}")


def _spectrum(axes: Axes, of: Spectrum, facts: Facts, number: int) -> None:
    """Draw amplitudes on a logarithmic axis, with the dominant lines marked."""
    amplitude = np.sqrt(2 * of.power[1:, number])
    if not amplitude.any():
        return
    axes.semilogy(of.hz[1:], np.maximum(amplitude, amplitude.max() * 1e-6), lw=0.7)
    for line in facts.channels[number].lines:
        at = int(np.abs(of.hz - line.hz).argmin())
        axes.annotate(
            f"{line.hz:.4g}",
            (line.hz, amplitude[max(0, at - 1)]),
            textcoords="offset points",
            xytext=(0, 3),
            ha="center",
            fontsize=8,
        )
    axes.margins(y=0.15)
    axes.ticklabel_format(axis="x", scilimits=(-2, 4))


def _spectrogram(axes: Axes, recording: Recording, number: int, bins: int) -> None:
    """Draw power over time and frequency; a window that spans a gap is left out."""
    window = min(1024, 2 * (bins - 1))
    rows = recording.rows
    firsts = np.unique(np.linspace(0, rows - window, _COLUMNS).astype(np.intp))
    power = np.full((window // 2 + 1, len(firsts)), np.nan)
    taper = power_taper(window)
    for at, first in enumerate(firsts.tolist()):
        part = recording.block(first, window).samples[:, number]
        if len(part) == window:
            bands = np.abs(np.fft.rfft((part - part.mean()) * taper))
            power[:, at] = np.square(bands)
    largest = np.nanmax(power) if np.isfinite(power).any() else 0.0
    if largest <= 0:
        return
    decibels = 10 * np.log10(np.maximum(power / largest, 10 ** (-_DECIBELS / 10)))
    middle_s = _seconds(recording, np.minimum(firsts + window // 2, rows - 1))
    hz = np.fft.rfftfreq(window, 1 / recording.rate_hz)
    axes.pcolormesh(middle_s, hz, decibels, shading="nearest", rasterized=True)
    axes.set_ylabel("Hz")
    axes.ticklabel_format(axis="y", scilimits=(-2, 4))
