"""Log spectrum of the envelope of one band: it shows bearing impulses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensorml.errors import ModelError
from sensorml.pipeline.extractor import (
    Computation,
    FeatureSpec,
    Quantity,
    Signal,
    significant,
)
from sensorml.pipeline.spectra import (
    NO_FLOOR,
    LogBands,
    band_edges,
    band_powers,
    band_quantities,
    usual_bands,
    usual_floor,
)
from sensorml.schema import Count, Positive
from sensorml.types import Float32


class Features(FeatureSpec, frozen=True, kw_only=True, tag="envelope"):
    """The table `[features]` of a card with `kind = "envelope"`."""

    bands: Count = 32
    carrier_low_hz: Positive
    carrier_high_hz: Positive
    high_hz: Positive
    """The envelope spectrum reaches from 0 to here."""
    floor: Positive = 1e-9
    """Added to every band's power before the logarithm, in unit²."""

    @classmethod
    def for_training(cls, signal: Signal, *, bands: int | None) -> Self:
        _, window, rate_hz, _ = signal
        count = bands or usual_bands(window)
        return cls(
            bands=count,
            carrier_low_hz=significant(0.2 * rate_hz),
            carrier_high_hz=significant(0.45 * rate_hz),
            high_hz=significant(max(0.1, (count + 1) / window) * rate_hz),
            floor=NO_FLOOR,
        )

    def adapted(self, features: Callable[[Self], Float32]) -> Self:
        return msgspec.structs.replace(self, floor=usual_floor(features(self)))

    def quantities(
        self, signal: Signal, channels: Sequence[str]
    ) -> tuple[Quantity, ...]:
        del channels
        return band_quantities(self._edges(signal), signal.rate_hz / signal.window)

    def measured(self, features: Float32) -> Float32:
        return band_powers(features, self.bands)

    def prepare(self, signal: Signal) -> Computation:
        """Demodulate the carrier band (Randall and Antoni 2011, section 5).

        The analytic signal of the band is made in the frequency domain: the bins of
        the band are doubled, all others are zero. Its magnitude is the envelope.
        """
        _, window, rate_hz, _ = signal
        low, high = self._carrier_bins(window, rate_hz)
        bands = LogBands(self._edges(signal), window, self.floor)

        def compute(windows: Float32, means: Float32) -> Float32:
            spectrum = np.fft.rfft(windows - means[:, :, None])
            analytic = np.zeros(windows.shape, spectrum.dtype)
            analytic[..., low : high + 1] = 2 * spectrum[..., low : high + 1]
            envelope = np.abs(np.fft.ifft(analytic)).astype(np.float32, copy=False)
            envelope -= envelope.mean(axis=-1, keepdims=True)
            return bands.of(envelope)

        size = signal.channels * self.bands
        return Computation(size, compute, size)

    def _edges(self, signal: Signal) -> NDArray[np.intp]:
        _, window, rate_hz, _ = signal
        return band_edges(self.bands, 0.0, self.high_hz, window=window, rate_hz=rate_hz)

    def _carrier_bins(self, window: int, rate_hz: float) -> tuple[int, int]:
        bin_hz = rate_hz / window
        low = round(self.carrier_low_hz / bin_hz)
        high = min(round(self.carrier_high_hz / bin_hz), window // 2 - 1)
        if not 0 < low < high:
            raise ModelError(
                f"features.carrier_low_hz: the band {self.carrier_low_hz:g} to "
                f"{self.carrier_high_hz:g} Hz is empty at {rate_hz:g} Hz: "
                f"it must lie within 0 and {rate_hz / 2:g} Hz"
            )
        return low, high
