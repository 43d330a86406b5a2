"""Averaged spectra of a recording, and the lines that stand out of them."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.pipeline.spectra import power_taper
from sensorml.recordings.recording import Recording

Float64: TypeAlias = NDArray[np.float64]

_LONGEST: Final = 4096
_SHORTEST: Final = 64
_MOST_WINDOWS: Final = 256
_AROUND: Final = 24  # bins on each side that a line is compared with
_STANDS_OUT: Final = 8.0  # times the median power of these, on either side
_OF_LARGEST: Final = 1e-4  # of the power of the largest line
_WIDTH: Final = 2  # bins on each side that belong to a line of the Hann window


class Spectrum(NamedTuple):
    """The mean power of each frequency."""

    hz: Float64
    power: Float64
    """(bins, channels), in unit²; the sum is the mean square without DC."""


class Line(NamedTuple):
    """A frequency that stands out."""

    hz: float
    amplitude: float
    """Of the sine, in the unit of the channel."""


def spectrum(recording: Recording) -> Spectrum | None:
    """Return the averaged spectrum (Welch 1967), None where it is too short."""
    firsts = [segment.first for segment in recording.segments]
    window = _window(int(np.diff(firsts, append=recording.rows).max()))
    if window < _SHORTEST:
        return None
    taper = power_taper(window)[:, None]
    total: Float64 = np.zeros((window // 2 + 1, len(recording.channels)))
    count = 0
    hop = max(window // 2, recording.rows // _MOST_WINDOWS)
    for first in range(0, recording.rows - window + 1, hop):
        rows = recording.block(first, window).samples
        if len(rows) == window:
            apart = (rows - rows.mean(axis=0)) * taper
            total += np.square(np.abs(np.fft.rfft(apart, axis=0)))
            count += 1
    hz: Float64 = np.fft.rfftfreq(window, 1 / recording.rate_hz).astype(np.float64)
    return Spectrum(hz, total / count) if count else None


def lines(of: Spectrum, channel: int, *, most: int = 5) -> tuple[Line, ...]:
    """Return the lines of a channel, the largest first.

    >>> from sensorml.recordings import from_array
    >>> t_s = np.arange(20_000) / 1000
    >>> noise = np.random.default_rng(0).normal(0, 0.1, len(t_s))
    >>> tone = 2.0 * np.sin(2 * np.pi * 50.3 * t_s) + noise
    >>> found = spectrum(from_array(tone[:, None], rate_hz=1000.0))
    >>> [(round(hz, 1), round(amplitude, 1)) for hz, amplitude in lines(found, 0)]
    [(50.3, 2.0)]
    """
    power = of.power[:, channel]
    found: list[Line] = []
    left = power.copy()
    left[: _WIDTH + 1] = 0.0  # a drift
    least = 0.0
    while len(found) < most and (at := int(left.argmax())) and left[at] > least:
        left[max(0, at - 2 * _WIDTH) : at + 2 * _WIDTH + 1] = 0.0
        if power[at] > _STANDS_OUT * _beside(power, at):
            least = least or _OF_LARGEST * float(power[at])
            near = slice(max(1, at - _WIDTH), at + _WIDTH + 1)
            part, hz = power[near], of.hz[near]
            amplitude = float(np.sqrt(2 * part.sum()))
            found.append(Line(float((part * hz).sum() / part.sum()), amplitude))
    return tuple(found)


def _beside(power: Float64, at: int) -> float:
    """Return the median power on the stronger side of a bin."""
    below = power[max(1, at - _AROUND) : max(1, at - _WIDTH)]
    above = power[at + _WIDTH + 1 : at + _AROUND + 1]
    return max(float(np.median(side)) for side in (below, above) if len(side))


def _window(rows: int) -> int:
    """Return the largest power of two that fits four times, at most 4096."""
    return min(_LONGEST, 1 << max(0, (rows // 4).bit_length() - 1))
