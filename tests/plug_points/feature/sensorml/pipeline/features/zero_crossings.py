"""The rate of zero crossings of each channel, in Hz."""

from __future__ import annotations

import numpy as np

from sensorml.pipeline.extractor import Computation, FeatureSpec, Signal
from sensorml.types import Float32


class Features(FeatureSpec, frozen=True, kw_only=True, tag="zero_crossings"):
    """The table `[features]` of a card with `kind = "zero_crossings"`."""

    def prepare(self, signal: Signal) -> Computation:
        def compute(windows: Float32, means: Float32) -> Float32:
            above = windows > means[:, :, None]
            crossings = np.count_nonzero(above[..., 1:] != above[..., :-1], axis=-1)
            return (crossings * (signal.rate_hz / signal.window)).astype(np.float32)

        return Computation(signal.channels, compute, signal.channels)
