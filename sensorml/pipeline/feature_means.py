"""Means of a model's features over a period, in the units of the sensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sensorml.pipeline.extractor import Quantity
from sensorml.pipeline.model_card import Card
from sensorml.types import Float32


class Measured(NamedTuple):
    """A quantity and its mean."""

    quantity: Quantity
    value: float


class FeatureMeans:
    """Sums the quantities of windows; powers are averaged before their logarithm."""

    def __init__(self, card: Card) -> None:
        self._spec = card.features
        self._quantities = card.features.quantities(card.signal, card.input.channels)
        self._mean = np.array(card.features.mean or 0, np.float32)
        self._std = np.array(card.features.std or 1, np.float32)
        self._sum = np.zeros(len(self._quantities))
        self._windows = 0

    def add(self, features: Float32) -> None:
        """Add the standardised features (n, size) of windows."""
        if self._quantities:
            values = self._spec.measured(features * self._std + self._mean)
            self._sum += np.add.reduce(values, axis=0)
            self._windows += len(values)

    def take(self) -> list[Measured]:
        """Return the means since the last call; nothing without a window."""
        if not self._windows:
            return []
        means = (self._sum / self._windows).tolist()
        self._sum[:], self._windows = 0, 0
        return [
            Measured(quantity, _level(value) if quantity.unit == "dB" else value)
            for quantity, value in zip(self._quantities, means, strict=True)
        ]


def _level(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-30)))
