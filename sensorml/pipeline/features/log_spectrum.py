"""Log power in bands of the Hann-windowed spectrum without DC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from sensorml.pipeline.extractor import Computation, FeatureSpec, Signal
from sensorml.pipeline.spectra import (
    NO_FLOOR,
    LogBands,
    band_edges,
    usual_bands,
    usual_floor,
)
from sensorml.schema import Count, Positive
from sensorml.types import Float32


class Features(FeatureSpec, frozen=True, kw_only=True, tag="log_spectrum"):
    """The table `[features]` of a card with `kind = "log_spectrum"`."""

    bands: Count = 32
    low_hz: Annotated[float, Meta(ge=0)] = 0.0
    high_hz: Positive | None = None
    """None: half the sample rate."""
    floor: Positive = 1e-9
    """Added to every band's power before the logarithm, in unit²."""

    @classmethod
    def for_training(cls, signal: Signal, *, bands: int | None) -> Self:
        return cls(bands=bands or usual_bands(signal.window), floor=NO_FLOOR)

    def adapted(self, features: Callable[[Self], Float32]) -> Self:
        return msgspec.structs.replace(self, floor=usual_floor(features(self)))

    def prepare(self, signal: Signal) -> Computation:
        _, window, rate_hz, _ = signal
        high_hz = rate_hz / 2 if self.high_hz is None else self.high_hz
        edges = band_edges(
            self.bands, self.low_hz, high_hz, window=window, rate_hz=rate_hz
        )
        bands = LogBands(edges, window, self.floor)

        def compute(windows: Float32, means: Float32) -> Float32:
            return bands.of(windows - means[:, :, None])

        size = signal.channels * self.bands
        return Computation(size, compute, size)
