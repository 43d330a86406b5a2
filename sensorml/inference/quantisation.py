"""Conversion of real values to the integers of a tensor and back.

Source: "LiteRT 8-bit quantization specification": real = scale × (q - zero
point); q is rounded half to even, as numpy and the runtimes do, and saturates.
Arrays are allocated once, because both directions run for every window.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sensorml.inference.tflite_file import Tensor
from sensorml.types import Float32

Values = NDArray[np.generic]


def to_tensor(tensor: Tensor, batch: int) -> Callable[[Float32], Values]:
    """Return a function that turns real rows (batch, size) into the tensor's values.

    Its result is overwritten by the next call. NaN becomes the lowest integer.
    """
    shape = (batch, *tensor.shape[1:])
    if tensor.dtype == "float32":
        return lambda rows: rows.reshape(shape)
    info = np.iinfo(tensor.dtype)
    scale, zero_point = _constant(tensor.scale[0]), _constant(tensor.zero_point[0])
    low, high = _constant(info.min), _constant(info.max)
    work = np.empty((batch, tensor.size), np.float32)
    integers = np.empty(shape, tensor.dtype)
    flat = integers.reshape(batch, tensor.size)

    def quantise(rows: Float32) -> Values:
        np.divide(rows, scale, work)
        np.rint(work, work)
        np.add(work, zero_point, work)
        np.fmax(work, low, work)
        np.fmin(work, high, work)
        flat[...] = work
        return integers

    return quantise


def from_tensor(tensor: Tensor) -> Callable[[Values], Float32]:
    """Return a function that turns a copy of the tensor's values into real ones."""
    if tensor.dtype == "float32":
        return lambda values: values.astype(np.float32, copy=False)
    scale, zero_point = _constant(tensor.scale[0]), _constant(tensor.zero_point[0])

    def dequantise(values: Values) -> Float32:
        real: Float32 = values.astype(np.float32)
        np.subtract(real, zero_point, real)
        np.multiply(real, scale, real)
        return real

    return dequantise


def _constant(value: float) -> Float32:
    """Return a 0-d array: numpy computes with it in half the time of a scalar."""
    return np.array(value, np.float32)
