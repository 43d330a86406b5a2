"""Features of windows: the interface of a kind, and the extractor.

A kind of feature is a file in `features/`, or a module of another package. Its class
`Features` is the table `[features]` of a model card, with the computation.
All arrays are float32, all computations are vectorised over windows and channels, and
none keeps state between calls but its own scratch memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Self, TypeAlias, cast

import numpy as np

from sensorml import plugins
from sensorml.errors import ModelError, PluginError
from sensorml.schema import Floats, Tagged
from sensorml.types import Float32

Compute: TypeAlias = Callable[[Float32, Float32], Float32]
"""Computes features (n, size) of windows (n, channels, window) and their means
(n, channels), which it must not change."""

SPECTRA_HZ: Final = 20.0
"""Below this sample rate a signal is a slow process and not vibration."""


class Signal(NamedTuple):
    """The windows that features are computed of."""

    channels: int
    window: int
    """Rows of a window."""
    rate_hz: float
    unit: str


class Quantity(NamedTuple):
    """One number of a window that people look at."""

    name: str
    unit: str
    """"dB" for a power, which is shown as a level."""
    low_hz: float | None = None
    """The edges of a band of a spectrum."""
    high_hz: float | None = None


class Computation(NamedTuple):
    """The features of one kind, prepared for one signal."""

    size: int
    """Features of a window."""
    compute: Compute
    period: int
    """Features that far apart are standardised alike; `size` where none are."""


class FeatureSpec(Tagged, frozen=True, kw_only=True):
    """The table `[features]` of a model card: a kind, and the numbers to repeat it."""

    mean: Floats = ()
    """Subtracted from the features, and then they are divided by `std`."""
    std: Floats = ()

    @classmethod
    def of_kind(cls, name: object) -> type[FeatureSpec]:
        """Return the class of a kind.

        Raises:
            PluginError: there is none of that name, or it cannot be imported.
        """
        module = plugins.load("features", name)
        if not plugins.is_subclass(module.Features, FeatureSpec):
            what = f"the Features of {name!r} do not inherit from FeatureSpec"
            raise PluginError(what, plugins.CORRECT)
        kind = cast("type[FeatureSpec]", module.Features)
        if (tag := kind.__struct_config__.tag) != name:
            what = f"{module.__name__}: the tag is {tag!r} and the name is {name!r}"
            raise PluginError(what, "make them equal")
        return kind

    @classmethod
    def for_training(cls, signal: Signal, *, bands: int | None) -> Self:
        """Return the table that a new model is trained with.

        Args:
            signal: the windows of the recordings.
            bands: of a spectrum, where the user has chosen.
        """
        del signal, bands
        return cls()

    def adapted(self, features: Callable[[Self], Float32]) -> Self:
        """Return this table with the numbers that depend on the recordings.

        Args:
            features: computes the features of all windows, (n, size).
        """
        del features
        return self

    def quantities(
        self, signal: Signal, channels: Sequence[str]
    ) -> tuple[Quantity, ...]:
        """Return what people look at; nothing where features are the samples."""
        del signal, channels
        return ()

    def measured(self, features: Float32) -> Float32:
        """Return the values (n, quantities) of features (n, size) before `mean`."""
        return features

    def prepare(self, signal: Signal) -> Computation:
        """Prepare the computation, without the standardisation.

        Raises:
            ModelError: the numbers of the card do not fit each other.
        """
        raise NotImplementedError


class Extractor(NamedTuple):
    """Turns windows into the rows of a model's input."""

    size: int
    """Features of a window."""
    compute: Compute
    mean: Float32 | None
    scale: Float32 | None

    def __call__(self, windows: Float32, means: Float32) -> Float32:
        """Compute the features of `windows`, standardised by the card's numbers.

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


def extractor(spec: FeatureSpec, signal: Signal) -> Extractor:
    """Prepare the features that a card describes.

    Raises:
        ModelError: the numbers of the card do not fit each other.
    """
    size, compute, _ = spec.prepare(signal)
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


def significant(value: float, digits: int = 6) -> float:
    """Round a number to the digits that a card holds.

    >>> significant(0.012345678)
    0.0123457
    """
    return float(f"{value:.{digits}g}")
