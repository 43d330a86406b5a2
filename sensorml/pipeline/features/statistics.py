"""Statistics of each channel: RMS, peak, crest factor, kurtosis, velocity RMS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, Self

import numpy as np

from sensorml.errors import ModelError
from sensorml.pipeline.extractor import Computation, FeatureSpec, Quantity, Signal
from sensorml.pipeline.spectra import power_of, power_taper
from sensorml.types import Float32

MM_PER_S2: Final = {"g": 9806.65, "m/s^2": 1000.0, "m/s²": 1000.0}
"""One unit of acceleration in mm/s²."""

VELOCITY_BAND_HZ: Final = (10.0, 1000.0)
"""ISO 20816-1, 4.5: the broad band in which vibration severity is judged."""


class Features(FeatureSpec, frozen=True, kw_only=True, tag="statistics"):
    """The table `[features]` of a card with `kind = "statistics"`."""

    values: tuple[
        Literal[
            "rms",
            "peak",
            "peak_to_peak",
            "crest_factor",
            "kurtosis",
            "skew",
            "velocity_rms",
        ],
        ...,
    ] = (
        "rms",
        "peak",
        "peak_to_peak",
        "crest_factor",
        "kurtosis",
        "skew",
        "velocity_rms",
    )
    """The values of each channel, in the order of the features."""

    @classmethod
    def for_training(cls, signal: Signal, *, bands: int | None) -> Self:
        """Leave out the velocity, which needs acceleration and fast sampling."""
        del signal, bands
        return cls(
            values=("rms", "peak", "peak_to_peak", "crest_factor", "kurtosis", "skew")
        )

    def quantities(
        self, signal: Signal, channels: Sequence[str]
    ) -> tuple[Quantity, ...]:
        units = {"crest_factor": "1", "kurtosis": "1", "skew": "1"}
        units["velocity_rms"] = "mm/s"
        return tuple(
            Quantity(f"{channel} {name}", units.get(name, signal.unit))
            for channel in channels
            for name in self.values
        )

    def prepare(self, signal: Signal) -> Computation:
        names = self.values
        velocity = _velocity_rms(signal) if "velocity_rms" in names else None

        def compute(windows: Float32, means: Float32) -> Float32:
            x = windows - means[:, :, None]
            rms = np.sqrt(np.square(x).mean(axis=-1))
            peak = np.abs(x).max(axis=-1)
            # A channel at rest has no shape: its ratios are 0, not 0/0. Powers are
            # taken of values near 1, so that no unit under- or overflows float32.
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

        size = signal.channels * len(names)
        return Computation(size, compute, size)


def _velocity_rms(signal: Signal) -> Callable[[Float32], Float32]:
    """Integrate acceleration to velocity RMS in mm/s, 10 to 1000 Hz (ISO 20816-1)."""
    _, window, rate_hz, unit = signal
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
            f"none of which a window of {window} at {rate_hz:g} Hz resolves: "
            "use a longer window or leave it out"
        )
    gain = np.zeros(len(hz))
    gain[inside] = (MM_PER_S2[unit] / (2 * np.pi * hz[inside])) ** 2
    if window % 2 == 0:
        gain[-1] *= 0.5  # the last bin stands for itself alone, not for ±f
    weights = gain.astype(np.float32)

    def compute(x: Float32) -> Float32:
        mean_square: Float32 = power_of(np.fft.rfft(x * taper)) @ weights
        return np.sqrt(mean_square)

    return compute
