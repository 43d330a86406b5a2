"""The latency of an engine: percentiles of a window's whole way through it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from sensorml.errors import DelegateError
from sensorml.interfaces import Engine
from sensorml.types import Float32

RUNS: Final = 500
LONGEST_S: Final = 1.0
"""A slow model is measured with fewer runs."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in µs: from a window's features to its outputs."""

    p50: float
    p95: float
    p99: float
    runs: int


def measure(
    engine: Engine,
    features: Float32,
    cancel: threading.Event | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Latency:
    """Run single windows of `features` (n, inputs): 500, fewer if that takes over 1 s.

    Every window runs once before, to warm the engine up.

    Args:
        engine: the measured one.
        features: real values; their rows are run in turn.
        cancel: set it to stop early.
        clock: ns, monotonic.

    Raises:
        DelegateError: the engine failed, or the measurement was cancelled.
    """
    windows = features[:, None]
    for window in windows:
        engine.infer(window)
    took_ns: list[int] = []
    end_ns = clock() + round(LONGEST_S * 1e9)
    while len(took_ns) < RUNS:
        window = windows[len(took_ns) % len(windows)]
        start_ns = clock()
        engine.infer(window)
        now_ns = clock()
        took_ns.append(now_ns - start_ns)
        if cancel and cancel.is_set():
            raise DelegateError(f"{engine.delegate}: its measurement was cancelled")
        if now_ns > end_ns:
            break
    p50, p95, p99 = (float(p) / 1e3 for p in np.percentile(took_ns, (50, 95, 99)))
    return Latency(p50=p50, p95=p95, p99=p99, runs=len(took_ns))
