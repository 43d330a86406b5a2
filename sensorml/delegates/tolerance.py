"""The comparison of an accelerator's outputs with the CPU's."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import DelegateError, Reason
from sensorml.inference.tflite_file import Tensor
from sensorml.interfaces import Engine
from sensorml.types import Float32

COMPARED: Final = 8
"""The number of windows on which an accelerator has to agree with the CPU."""
STEPS: Final = 4
"""Tolerance of an integer output: rounding may differ by one in each layer."""
SHARE: Final = 0.01
"""Tolerance of a float output: an accelerator may compute with 16 bits."""


class Windows(NamedTuple):
    """Features of windows (n, inputs) and the CPU's outputs for them (n, ...)."""

    features: Float32
    outputs: Float32


class RecentWindows:
    """The last windows on the CPU, for the comparison with an accelerator."""

    def __init__(self) -> None:
        self._windows: deque[Windows] = deque(maxlen=COMPARED)

    @property
    def enough(self) -> bool:
        return len(self._windows) == COMPARED

    def add(self, features: Float32, outputs: Float32) -> None:
        """Keep copies of the last rows, because the caller reuses its arrays."""
        for i in range(max(0, len(features) - COMPARED), len(features)):
            self._windows.append(Windows(features[[i]], outputs[[i]]))

    def joined(self) -> Windows:
        """Return all windows in one, oldest first."""
        features, outputs = zip(*self._windows, strict=True)
        return Windows(np.concatenate(features), np.concatenate(outputs))


class Tolerance(NamedTuple):
    """The allowed difference of an output from the CPU's."""

    absolute: float
    """In the output's unit."""
    relative: float = 0.0
    """Share of the CPU's largest output."""

    @classmethod
    def of(cls, output: Tensor) -> Tolerance:
        """Return the tolerance for the rounding of this output's data type."""
        if output.dtype == "float32":
            return cls(1e-5, SHARE)
        return cls(STEPS * output.scale[0])

    def check(
        self,
        engine: Engine,
        windows: Windows,
        clock: Callable[[], float] = time.monotonic,
    ) -> float:
        """Run windows through an engine; return the median time of one in s.

        Raises:
            DelegateError: its outputs differ from the CPU's, or it failed.
        """
        outputs: list[Float32] = []
        took_s: list[float] = []
        for window in windows.features[:, None]:
            start_s = clock()
            outputs.append(engine.infer(window).outputs)
            took_s.append(clock() - start_s)
        if reason := self.why_not(np.concatenate(outputs), windows.outputs):
            raise DelegateError(f"{engine.delegate}: {reason.what}", reason.cure)
        return statistics.median(took_s)

    def why_not(self, outputs: Float32, expected: Float32) -> Reason | None:
        """Return how outputs differ from the CPU's, or None if they agree."""
        cure = "compile its model again from the CPU's"
        if outputs.shape != expected.shape:
            cpu, own = expected.shape[1:], outputs.shape[1:]
            return Reason(f"its outputs have shape {own}, the CPU's {cpu}", cure)
        largest = float(np.abs(outputs - expected).max())
        allowed = self.absolute + self.relative * float(np.abs(expected).max())
        if largest <= allowed:  # false for NaN
            return None
        return Reason(
            f"its outputs differ from the CPU's by up to {largest:.3g}, "
            f"{allowed:.3g} is allowed",
            cure,
        )
