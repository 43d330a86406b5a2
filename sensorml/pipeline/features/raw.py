"""The samples themselves, laid out (window, channels) as Keras does."""

from __future__ import annotations

from typing import Self

from sensorml.pipeline.extractor import SPECTRA_HZ, Computation, FeatureSpec, Signal
from sensorml.types import Float32


class Features(FeatureSpec, frozen=True, kw_only=True, tag="raw"):
    """The table `[features]` of a card with `kind = "raw"`."""

    remove_dc: bool = True

    @classmethod
    def for_training(cls, signal: Signal, *, bands: int | None) -> Self:
        """Keep the level of a slow process; in vibration it is gravity."""
        del bands
        return cls(remove_dc=signal.rate_hz >= SPECTRA_HZ)

    def prepare(self, signal: Signal) -> Computation:
        remove_dc = self.remove_dc

        def compute(windows: Float32, means: Float32) -> Float32:
            x = windows - means[:, :, None] if remove_dc else windows
            return x.transpose(0, 2, 1).reshape(len(x), -1).copy()

        return Computation(signal.channels * signal.window, compute, signal.channels)
