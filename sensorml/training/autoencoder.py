"""An auto-encoder of dense layers, fitted with numpy and quantised to int8.

Adam: Kingma and Ba 2015, with its defaults. Noise on the input (a denoising
auto-encoder, Vincent et al. 2008) prevents the network from learning the identity.
The choice of this model: docs/decisions/0003-default-model.md.

All computations are in float64: the sums of different processors differ by less than
the rounding to int8, so the model is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.training.tflite_writer import Dense, Scale, int8_model

Float64: TypeAlias = NDArray[np.float64]

ARCHITECTURES: Final = {"dense": (32, 8, 32), "small": (16,), "wide": (64, 16, 64)}
"""Name to the widths of the hidden layers."""

STEPS: Final = 2000
_BATCH: Final = 64
_NOISE: Final = 1.5  # standard deviations of the input
_RATE, _BETA1, _BETA2, _EPSILON = 3e-3, 0.9, 0.999, 1e-8
_LEAST_RESIDUAL: Final = 0.3  # of the median one


def fit(
    rows: Float64,
    *,
    hidden: Sequence[int],
    seed: int,
    report: Callable[[float], None] = lambda _share: None,
) -> tuple[Dense, ...]:
    """Train on rows (n, size) of mean 0 and standard deviation 1.

    `report` is called 20 times with the share of the work that is done, 0 to 1.
    """
    random = np.random.default_rng(seed)
    size = rows.shape[1]
    weights, biases = _start(random, [size, *hidden, size])
    optimisers = [_Adam(parameter) for parameter in (*weights, *biases)]
    for step in range(1, STEPS + 1):
        batch = rows[random.integers(0, len(rows), _BATCH)]
        noisy = batch + _NOISE * random.standard_normal(batch.shape)
        rate = _RATE * (0.5 + 0.5 * np.cos(np.pi * step / STEPS))
        slopes = _slopes(weights, biases, noisy, batch)
        for optimiser, slope in zip(optimisers, slopes, strict=True):
            optimiser.descend(slope, rate, step)
        if step % (STEPS // 20) == 0:
            report(step / STEPS)
    last = len(weights) - 1
    return tuple(
        Dense(w.astype(np.float32), b.astype(np.float32), relu=i < last)
        for i, (w, b) in enumerate(zip(weights, biases, strict=True))
    )


def _start(
    random: np.random.Generator, sizes: Sequence[int]
) -> tuple[list[Float64], list[Float64]]:
    """Draw weights as He et al. 2015 for ReLU; those of the last layer are smaller."""
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [random.standard_normal(pair) * np.sqrt(2 / pair[1]) for pair in pairs]
    weights[-1] *= 0.3
    return weights, [np.zeros(outputs) for outputs, _ in pairs]


def _slopes(
    weights: Sequence[Float64],
    biases: Sequence[Float64],
    inputs: Float64,
    targets: Float64,
) -> list[Float64]:
    """Return the gradients of the mean squared error: of weights, then of biases."""
    values = [inputs]
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        out = values[-1] @ weight.T + bias
        values.append(np.maximum(out, 0) if i < len(weights) - 1 else out)
    error = (values[-1] - targets) * (2 / targets.size)
    by_weight: list[Float64] = []
    by_bias: list[Float64] = []
    for i in reversed(range(len(weights))):
        by_weight.insert(0, error.T @ values[i])
        by_bias.insert(0, error.sum(axis=0))
        error = (error @ weights[i]) * (values[i] > 0)
    return by_weight + by_bias


class _Adam:
    """The optimiser of one array of parameters, which it changes in place."""

    def __init__(self, values: Float64) -> None:
        self._values = values
        self._mean = np.zeros_like(values)
        self._square = np.zeros_like(values)

    def descend(self, slope: Float64, rate: float, step: int) -> None:
        self._mean += (1 - _BETA1) * (slope - self._mean)
        self._square += (1 - _BETA2) * (slope * slope - self._square)
        mean = self._mean / (1 - _BETA1**step)
        square = self._square / (1 - _BETA2**step)
        self._values -= rate * mean / (np.sqrt(square) + _EPSILON)


def activations(layers: Sequence[Dense], rows: Float64) -> Iterator[Float64]:
    """Yield `rows` (n, size), then the output of every layer."""
    values = rows
    yield values
    for layer in layers:
        values = values @ layer.weight.T.astype(np.float64) + layer.bias
        if layer.relu:
            np.maximum(values, 0, out=values)
        yield values


def residual_std(layers: Sequence[Dense], rows: Float64, period: int) -> Float64:
    """Return the standard deviation of each feature's reconstruction error.

    Args:
        layers: the auto-encoder.
        rows: shape (n, size).
        period: features that far apart share a value (channels, for raw samples).

    Returns:
        Shape (period,), at least 0.3 times the median.
    """
    *_, output = activations(layers, rows)
    squares = np.square(rows - output).reshape(-1, period)
    residual: Float64 = np.sqrt(squares.mean(axis=0))
    return np.maximum(residual, _LEAST_RESIDUAL * np.median(residual))


def rescaled(layers: Sequence[Dense], unit: Float64) -> tuple[Dense, ...]:
    """Return the same auto-encoder for inputs that were divided by `unit`."""
    first, *between, last = layers
    size = last.weight.shape[0]
    units = np.tile(unit, size // len(unit)).astype(np.float32)
    return (
        Dense(first.weight * units, first.bias, first.relu),
        *between,
        Dense(last.weight / units[:, None], last.bias / units, last.relu),
    )


def quantised(layers: Sequence[Dense], rows: Float64) -> bytes:
    """Return the layers as an int8 model, scaled to the activations of `rows`.

    Normal rows fill the range. Anomalous ones saturate, in hidden layers too, so that
    the network does not reconstruct values outside the range that it has learnt.
    """
    scales = [
        Scale.covering(float(values.min()), float(values.max()))
        for values in activations(layers, rows)
    ]
    return int8_model(layers, scales)
