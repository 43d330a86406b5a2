"""Spectra of windows: taper, power, and log power in bands.

They are scaled so that the powers of all bins add up to the mean square of the
samples (Parseval; Heinzel, Rüdiger and Schilling 2002, "Spectrum and spectral density
estimation by the DFT"): a band's value does not depend on the window's length.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import ModelError
from sensorml.pipeline.extractor import Quantity, significant
from sensorml.types import Float32

NO_FLOOR: Final = 1e-30
"""A floor below all powers, to look at bands without one."""
_FLOOR: Final = 0.01  # of the median band's power
_BANDS: Final = 32


def usual_bands(window: int) -> int:
    """Return the number of bands of a spectrum, where it is not given."""
    return min(_BANDS, window // 4)


def usual_floor(log_powers: Float32) -> float:
    """Return the floor for bands of these log powers, computed with `NO_FLOOR`.

    Without one, a band that is all but empty would vary by its rounding errors.
    """
    floor = _FLOOR * float(np.exp(np.median(log_powers)))
    return significant(max(floor, NO_FLOOR))


def hann(window: int) -> Float32:
    """Return the periodic Hann window (Harris 1978, eq. 27a), shape (window,)."""
    steps = np.arange(window, dtype=np.float64)
    return (0.5 - 0.5 * np.cos(2 * np.pi * steps / window)).astype(np.float32)


def power_taper(window: int) -> Float32:
    """Return the Hann window, scaled so that |X|² is a mean square.

    This holds for every bin that stands for a frequency and its negative: all but
    the first and, of an even window, the last.
    """
    taper = hann(window)
    energy = float(np.square(taper, dtype=np.float64).sum())
    return taper * np.float32(np.sqrt(2 / (window * energy)))


def band_edges(
    bands: int, low_hz: float, high_hz: float, *, window: int, rate_hz: float
) -> NDArray[np.intp]:
    """Split the bins between two frequencies into bands of equal width.

    Bin 0 is never in a band: it holds the rest of the DC part.

    Returns:
        Shape (bands + 1,): band b is bins edges[b] to edges[b + 1] - 1.

    Raises:
        ModelError: more bands than bins.
    """
    bin_hz = rate_hz / window
    first = max(1, round(low_hz / bin_hz))
    last = min(window // 2, round(high_hz / bin_hz))
    if last - first + 1 < bands:
        raise ModelError(
            f"features.bands: {bands} bands do not fit into the "
            f"{max(0, last - first + 1)} bins between {low_hz:g} and {high_hz:g} Hz "
            f"of a window of {window}: use fewer bands or a longer window"
        )
    edges: NDArray[np.float64] = np.linspace(first, last + 1, bands + 1)
    return edges.round().astype(np.intp)


def band_quantities(edges: NDArray[np.intp], bin_hz: float) -> tuple[Quantity, ...]:
    """Return a quantity for each band; their names sort by frequency.

    >>> band_quantities(np.array([1, 3, 5]), 10.0)[1]
    Quantity(name='02 35 Hz', unit='dB', low_hz=25.0, high_hz=45.0)
    """
    limits_hz = ((edges - 0.5) * bin_hz).tolist()
    return tuple(
        Quantity(f"{n:02d} {(low + high) / 2:.4g} Hz", "dB", low, high)
        for n, (low, high) in enumerate(pairwise(limits_hz), 1)
    )


def band_powers(features: Float32, bands: int) -> Float32:
    """Return the power in each band, of all channels, from log powers (n, size)."""
    powers = np.exp(features).reshape(len(features), -1, bands)
    summed: Float32 = np.add.reduce(powers, axis=1)
    return summed


class LogBands:
    """The logarithm of the power in bands, of rows without DC."""

    def __init__(self, edges: NDArray[np.intp], window: int, floor: float) -> None:
        self._taper = power_taper(window)
        self._starts = edges[:-1]
        self._end = int(edges[-1])
        self._has_nyquist = window % 2 == 0 and self._end == window // 2 + 1
        self._floor = np.float32(floor)

    def of(self, rows: Float32) -> Float32:
        """Return (n, channels * bands) of `rows` (n, channels, window), overwritten."""
        n, _, window = rows.shape
        flat = rows.reshape(-1, window)  # numpy's FFT is faster on two dimensions
        flat *= self._taper
        power = power_of(np.fft.rfft(flat))
        if self._has_nyquist:
            power[:, -1] *= 0.5  # it stands for itself alone, not for ±f
        bands = np.add.reduceat(power[:, : self._end], self._starts, axis=1)
        bands += self._floor
        np.log(bands, bands)
        return bands.reshape(n, -1)


def power_of(spectrum: NDArray[np.complex64] | NDArray[np.complex128]) -> Float32:
    """Return |X|² of every bin."""
    power = np.abs(spectrum).astype(np.float32, copy=False)
    return np.square(power, power)
