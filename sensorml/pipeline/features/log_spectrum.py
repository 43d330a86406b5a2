"""log_spectrum: say what this is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from sensorml.pipeline.features.bands import Compute, _Bands, band_edges
from sensorml.schema import Count, Floats, Positive, Table
from sensorml.types import Float32


class LogSpectrum(
    Table, frozen=True, kw_only=True, tag_field="kind", tag="log_spectrum"
):
    """Log power in bands of the Hann-windowed, DC-free spectrum."""

    bands: Count = 32
    low_hz: Annotated[float, Meta(ge=0)] = 0.0
    high_hz: Positive | None = None
    """None: half the sample rate."""
    floor: Positive = 1e-9
    """Added to every band's power before the logarithm, in unit²."""
    mean: Floats = ()
    std: Floats = ()


def _log_spectrum(spec: LogSpectrum, window: int, rate_hz: float) -> Compute:
    high_hz = rate_hz / 2 if spec.high_hz is None else spec.high_hz
    edges = band_edges(spec.bands, spec.low_hz, high_hz, window=window, rate_hz=rate_hz)
    bands = _Bands(edges, window, spec.floor)

    def compute(windows: Float32, means: Float32) -> Float32:
        return bands.of(windows - means[:, :, None])

    return compute
