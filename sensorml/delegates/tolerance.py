"""Whether an accelerator computes what the CPU computes."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import DelegateError
from sensorml.inference.tflite_file import Tensor
from sensorml.interfaces import Engine
from sensorml.types import Float32

COMPARED: Final = 8
"""Windows on which an accelerator has to agree with the CPU."""
STEPS: Final = 4
"""Of an integer output: rounding differs by one from layer to layer."""
SHARE: Final = 0.01
"""Of a float output: an accelerator may compute with 16 bits."""

CURE: Final = "compile its model again from the CPU's"


class Windows(NamedTuple):
    """Windows (n, inputs) and what the CPU made of them (n, ...)."""

    features: Float32
    outputs: Float32


class Recent:
    """The last windows on the CPU: what an accelerator is compared on."""

    def __init__(self) -> None:
        self._windows: deque[Windows] = deque(maxlen=COMPARED)

    @property
    def enough(self) -> bool:
        return len(self._windows) == COMPARED

    def add(self, features: Float32, outputs: Float32) -> None:
        """Keep copies of the last rows: the caller goes on using its own."""
        for i in range(max(0, len(features) - COMPARED), len(features)):
            self._windows.append(Windows(features[[i]], outputs[[i]]))

    def taken(self) -> Windows:
        """Return them as one, oldest first."""
        features, outputs = zip(*self._windows, strict=True)
        return Windows(np.concatenate(features), np.concatenate(outputs))


class Tolerance(NamedTuple):
    """How far an output may be from the CPU's."""

    absolute: float
    """In the output's unit."""
    relative: float = 0.0
    """Share of the CPU's largest output."""

    @classmethod
    def of(cls, output: Tensor) -> Tolerance:
        """Allow what rounding can do to this tensor."""
        if output.dtype == "float32":
            return cls(1e-5, SHARE)
        return cls(STEPS * output.scale[0])

    def check(
        self,
        engine: Engine,
        windows: Windows,
        clock: Callable[[], float] = time.monotonic,
    ) -> float:
        """Run windows through an engine; return the median time of one, in s.

        Raises:
            DelegateError: it makes something else of them than the CPU, or fails.
        """
        made: list[Float32] = []
        took_s: list[float] = []
        for window in windows.features[:, None]:
            begun_s = clock()
            made.append(engine.infer(window).outputs)
            took_s.append(clock() - begun_s)
        if why := self.why_not(np.concatenate(made), windows.outputs):
            raise DelegateError(f"{engine.delegate}: {why}", CURE)
        return statistics.median(took_s)

    def why_not(self, made: Float32, wanted: Float32) -> str | None:
        """Say how an accelerator's outputs differ, or return None if they do not."""
        if made.shape != wanted.shape:
            ours, theirs = wanted.shape[1:], made.shape[1:]
            return f"its outputs are {theirs}, the CPU's {ours}"
        largest = float(np.abs(made - wanted).max())
        allowed = self.absolute + self.relative * float(np.abs(wanted).max())
        if largest <= allowed:  # not so when it is NaN
            return None
        return (
            f"it computes something else than the CPU, outputs are up to {largest:.3g} "
            f"away where {allowed:.3g} is allowed"
        )
