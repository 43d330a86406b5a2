"""Log power in bands of the Hann-windowed spectrum without DC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Self

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from sensorml.pipeline.extractor import Computation, FeatureSpec, Quantity, Signal
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

    def quantities(
        self, signal: Signal, channels: Sequence[str]
    ) -> tuple[Quantity, ...]:
        del channels
        return band_quantities(self._edges(signal), signal.rate_hz / signal.window)

    def measured(self, features: Float32) -> Float32:
        return band_powers(features, self.bands)

    def prepare(self, signal: Signal) -> Computation:
        bands = LogBands(self._edges(signal), signal.window, self.floor)

        def compute(windows: Float32, means: Float32) -> Float32:
            return bands.of(windows - means[:, :, None])

        size = signal.channels * self.bands
        return Computation(size, compute, size)

    def _edges(self, signal: Signal) -> NDArray[np.intp]:
        _, window, rate_hz, _ = signal
        high_hz = rate_hz / 2 if self.high_hz is None else self.high_hz
        return band_edges(
            self.bands, self.low_hz, high_hz, window=window, rate_hz=rate_hz
        )
