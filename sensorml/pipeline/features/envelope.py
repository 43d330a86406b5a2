"""envelope: say what this is."""

from __future__ import annotations

import numpy as np

from sensorml.errors import ModelError
from sensorml.pipeline.features.bands import Compute, _Bands, band_edges
from sensorml.schema import Count, Floats, Positive, Table
from sensorml.types import Float32


class Envelope(Table, frozen=True, kw_only=True, tag_field="kind", tag="envelope"):
    """Log spectrum of the envelope of one band: shows bearing impulses."""

    bands: Count = 32
    carrier_low_hz: Positive
    carrier_high_hz: Positive
    high_hz: Positive
    """The envelope spectrum reaches from 0 to here."""
    floor: Positive = 1e-9
    mean: Floats = ()
    std: Floats = ()


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
