"""What a model sees of a window: raw samples, spectra, envelopes, statistics.

Everything is float32 and vectorised over windows and channels, and nothing
here keeps state between calls but its own scratch memory. Spectra are scaled
so that the powers of all bins add up to the mean square of the samples
(Parseval; Heinzel, Rüdiger and Schilling 2002, "Spectrum and spectral density
estimation by the DFT"): a band's value does not depend on the window's length.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sensorml.errors import ModelError
from sensorml.pipeline.features.bands import Compute
from sensorml.pipeline.features.envelope import Envelope, _envelope
from sensorml.pipeline.features.log_spectrum import LogSpectrum, _log_spectrum
from sensorml.pipeline.features.raw import Raw, _raw
from sensorml.pipeline.features.statistics import Statistics, _statistics
from sensorml.types import Float32

FeatureSpec = Raw | LogSpectrum | Envelope | Statistics


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
