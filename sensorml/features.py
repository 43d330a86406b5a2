"""What a model sees of a window: raw samples, spectra, envelopes, statistics.

Everything is float32 and vectorised over windows and channels, and nothing
here keeps state between calls but its own scratch memory. Spectra are scaled
so that the powers of all bins add up to the mean square of the samples
(Parseval; Heinzel, Rüdiger and Schilling 2002, "Spectrum and spectral density
estimation by the DFT"): a band's value does not depend on the window's length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.cards import Envelope, FeatureSpec, LogSpectrum, Raw, Statistics
from sensorml.errors import ModelError
from sensorml.types import Float32

MM_PER_S2: Final = {"g": 9806.65, "m/s^2": 1000.0, "m/s²": 1000.0}
"""What one unit of acceleration is in mm/s²."""

VELOCITY_BAND_HZ: Final = (10.0, 1000.0)
"""ISO 20816-1, 4.5: the broad band in which vibration severity is judged."""

Compute = Callable[[Float32, Float32], Float32]


class Extractor(NamedTuple):
    """Turns windows into the rows of a model's input."""

    size: int
    """Features per window."""
    compute: Compute
    mean: Float32 | None
    scale: Float32 | None

    def __call__(self, windows: Float32, means: Float32) -> Float32:
        """Compute the features of `windows`, standardised as the card says.

        Args:
            windows: shape (n, channels, window); not changed.
            means: shape (n, channels), the mean of every channel.

        Returns:
            Shape (n, size), float32.
        """
        features = self.compute(windows, means)
        if self.mean is not None:
            features -= self.mean
        if self.scale is not None:
            features *= self.scale
        return features


def extractor(
    spec: FeatureSpec, *, channels: int, window: int, rate_hz: float, unit: str = "g"
) -> Extractor:
    """Prepare the features that a card asks for.

    Raises:
        ModelError: the numbers of the card do not fit each other.
    """
    if isinstance(spec, LogSpectrum):
        size = channels * spec.bands
        compute = _log_spectrum(spec, window, rate_hz)
    elif isinstance(spec, Envelope):
        size = channels * spec.bands
        compute = _envelope(spec, window, rate_hz)
    elif isinstance(spec, Statistics):
        size = channels * len(spec.values)
        compute = _statistics(spec, window, rate_hz, unit)
    else:
        size = channels * window
        compute = _raw(spec)
    mean = _per_feature("mean", spec.mean, size)
    std = _per_feature("std", spec.std, size)
    if std is not None and not (std > 0).all():
        raise ModelError("features.std: holds a value that is not above 0")
    scale = None if std is None else np.reciprocal(std)
    return Extractor(size, compute, mean, scale)


def _per_feature(key: str, values: tuple[float, ...], size: int) -> Float32 | None:
    if not values:
        return None
    if size % len(values):
        raise ModelError(
            f"features.{key}: has {len(values)} numbers for {size} features"
        )
    # Fewer numbers than features are those of one row (raw: of one time step).
    return np.tile(np.asarray(values, np.float32), size // len(values))


def hann(window: int) -> Float32:
    """Return the periodic Hann window (Harris 1978, eq. 27a), shape (window,)."""
    steps = np.arange(window, dtype=np.float64)
    return (0.5 - 0.5 * np.cos(2 * np.pi * steps / window)).astype(np.float32)


def power_taper(window: int) -> Float32:
    """Return the Hann window, scaled so that |X|² is a mean square.

    That is, of every bin that stands for a frequency and its negative: all but
    the first and, of an even window, the last.
    """
    taper = hann(window)
    energy = float(np.square(taper, dtype=np.float64).sum())
    return taper * np.float32(np.sqrt(2 / (window * energy)))


def band_edges(
    bands: int, low_hz: float, high_hz: float, *, window: int, rate_hz: float
) -> NDArray[np.intp]:
    """Split the bins between two frequencies into bands of equal width.

    Bin 0 is never in a band: it holds what is left of the DC part.

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


class _Bands:
    """Log power in bands, of rows (n, channels, window) without DC."""

    def __init__(self, edges: NDArray[np.intp], window: int, floor: float) -> None:
        self._taper = power_taper(window)
        self._starts = edges[:-1]
        self._end = int(edges[-1])
        self._has_nyquist = window % 2 == 0 and self._end == window // 2 + 1
        self._floor = np.float32(floor)

    def of(self, rows: Float32) -> Float32:
        """Return shape (n, channels * bands); `rows` are used up."""
        n, _, window = rows.shape
        flat = rows.reshape(-1, window)  # numpy's FFT is faster on two dimensions
        flat *= self._taper
        power = _power(np.fft.rfft(flat))
        if self._has_nyquist:
            power[:, -1] *= 0.5  # it stands for itself alone, not for ±f
        bands = np.add.reduceat(power[:, : self._end], self._starts, axis=1)
        bands += self._floor
        np.log(bands, bands)
        return bands.reshape(n, -1)


def _power(spectrum: NDArray[np.complex64] | NDArray[np.complex128]) -> Float32:
    power = np.abs(spectrum).astype(np.float32, copy=False)
    return np.square(power, power)


def _log_spectrum(spec: LogSpectrum, window: int, rate_hz: float) -> Compute:
    high_hz = rate_hz / 2 if spec.high_hz is None else spec.high_hz
    edges = band_edges(spec.bands, spec.low_hz, high_hz, window=window, rate_hz=rate_hz)
    bands = _Bands(edges, window, spec.floor)

    def compute(windows: Float32, means: Float32) -> Float32:
        return bands.of(windows - means[:, :, None])

    return compute


def _envelope(spec: Envelope, window: int, rate_hz: float) -> Compute:
    """Demodulate a carrier band (Randall and Antoni 2011, section 5).

    The analytic signal of the band is made in the frequency domain: bins of
    the band doubled, all others zero. Its magnitude is the envelope.
    """
    bin_hz = rate_hz / window
    low, high = (
        round(spec.carrier_low_hz / bin_hz),
        round(spec.carrier_high_hz / bin_hz),
    )
    high = min(high, window // 2 - 1)
    if not 0 < low < high:
        raise ModelError(
            f"features.carrier_low_hz: the band {spec.carrier_low_hz:g} to "
            f"{spec.carrier_high_hz:g} Hz is empty at {rate_hz:g} Hz: "
            f"it must lie within 0 and {rate_hz / 2:g} Hz"
        )
    edges = band_edges(spec.bands, 0.0, spec.high_hz, window=window, rate_hz=rate_hz)
    bands = _Bands(edges, window, spec.floor)

    def compute(windows: Float32, means: Float32) -> Float32:
        spectrum = np.fft.rfft(windows - means[:, :, None])
        analytic = np.zeros(windows.shape, spectrum.dtype)
        analytic[..., low : high + 1] = 2 * spectrum[..., low : high + 1]
        envelope = np.abs(np.fft.ifft(analytic)).astype(np.float32, copy=False)
        envelope -= envelope.mean(axis=-1, keepdims=True)
        return bands.of(envelope)

    return compute


def _statistics(spec: Statistics, window: int, rate_hz: float, unit: str) -> Compute:
    velocity = (
        _velocity_rms(window, rate_hz, unit) if "velocity_rms" in spec.values else None
    )
    names = spec.values

    def compute(windows: Float32, means: Float32) -> Float32:
        x = windows - means[:, :, None]
        rms = np.sqrt(np.square(x).mean(axis=-1))
        peak = np.abs(x).max(axis=-1)
        # A channel at rest has no shape: its ratios are 0, not 0/0. Powers are
        # taken of what is near 1, so that no unit under- or overflows float32.
        safe = np.where(rms > 0, rms, np.float32(1))
        shape = x / safe[..., None]
        square = np.square(shape)
        columns: dict[str, Callable[[], Float32]] = {
            "rms": lambda: rms,
            "peak": lambda: peak,
            "peak_to_peak": lambda: x.max(axis=-1) - x.min(axis=-1),
            "crest_factor": lambda: peak / safe,
            "kurtosis": lambda: np.square(square).mean(axis=-1),
            "skew": lambda: (square * shape).mean(axis=-1),
            "velocity_rms": lambda: velocity(x) if velocity else rms,
        }
        table = np.stack([columns[name]() for name in names], axis=-1)
        return table.reshape(len(x), -1).astype(np.float32, copy=False)

    return compute


def _velocity_rms(
    window: int, rate_hz: float, unit: str
) -> Callable[[Float32], Float32]:
    """Integrate acceleration to velocity RMS in mm/s, 10 to 1000 Hz (ISO 20816-1)."""
    if unit not in MM_PER_S2:
        raise ModelError(
            f"features.values: velocity_rms needs acceleration, the unit is {unit!r}: "
            f"use one of {', '.join(MM_PER_S2)}"
        )
    taper = power_taper(window)
    hz = np.fft.rfftfreq(window, 1 / rate_hz)
    low_hz, high_hz = VELOCITY_BAND_HZ
    inside = (hz >= low_hz) & (hz <= high_hz)
    if not inside.any():
        raise ModelError(
            f"features.values: velocity_rms covers {low_hz:g} to {high_hz:g} Hz, "
            f"nothing of which a window of {window} at {rate_hz:g} Hz resolves: "
            "use a longer window or leave it out"
        )
    gain = np.zeros(len(hz))
    gain[inside] = (MM_PER_S2[unit] / (2 * np.pi * hz[inside])) ** 2
    if window % 2 == 0:
        gain[-1] *= 0.5  # the last bin stands for itself alone, not for ±f
    weights = gain.astype(np.float32)

    def compute(x: Float32) -> Float32:
        mean_square: Float32 = _power(np.fft.rfft(x * taper)) @ weights
        return np.sqrt(mean_square)

    return compute


def _raw(spec: Raw) -> Compute:
    """Lay samples out as Keras does, (window, channels), one row per window."""

    def compute(windows: Float32, means: Float32) -> Float32:
        x = windows - means[:, :, None] if spec.remove_dc else windows
        return x.transpose(0, 2, 1).reshape(len(x), -1).copy()

    return compute
