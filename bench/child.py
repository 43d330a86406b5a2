"""The additional time of a window in a child process.

The same invoke of the same library runs in this process and in a child, in turn. The
library copies its input to its output, so the difference is the transport. Back to
back, both processes stay awake; with a rest before each invoke, as between real
windows, the child must be woken.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from bench.figures import NO_GCC, Observation
from sensorml.delegates.child_engine import open_child
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse
from sensorml.interfaces import Engine
from sensorml.types import Float32
from tests.delegate import pair

FEATURES = 96
"""The number of features of the demo's model."""
WINDOWS = 2000
RESTS_S = {"back to back": 0.0, "after 2 ms of rest": 0.002}
MOST_US = 100


def observe(folder: Path, windows: int = WINDOWS) -> list[Observation]:
    if shutil.which("gcc") is None:
        return [Observation("an accelerator's own process", *NO_GCC)]
    accelerator = Accelerator("copy", str(pair.build(folder)), {})
    file = parse(pair.compiled_model(FEATURES))
    row = np.zeros((1, FEATURES), np.float32)
    with (
        closing(TfliteEngine(file, 1, accelerator)) as inline,
        closing(open_child(file, accelerator)) as child,
    ):
        observed = []
        for name, rest_s in RESTS_S.items():
            took_us = [
                (_us(inline, row, rest_s), _us(child, row, rest_s))
                for _ in range(windows)
            ]
            observed.append(_compared(name, took_us))
    return observed


def _compared(name: str, took_us: Sequence[tuple[float, float]]) -> Observation:
    inline_us = statistics.median(inline for inline, _ in took_us)
    more_us = statistics.median(child - inline for inline, child in took_us)
    missed = "" if more_us <= MOST_US else " (missed)"
    return Observation(
        f"an accelerator's own process, {name}",
        f"{more_us:.0f} µs more a window{missed}",
        f"than {inline_us:.0f} µs in line, median; promised ≤ {MOST_US} µs",
    )


def _us(engine: Engine, row: Float32, rest_s: float) -> float:
    if rest_s:
        time.sleep(rest_s)
    begun_ns = time.perf_counter_ns()
    engine.infer(row)
    return (time.perf_counter_ns() - begun_ns) / 1e3
