"""Duration of `sensorml probe`, against importing its libraries."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, medians

BARE = """
import numpy
try:
    import ai_edge_litert.interpreter
except ImportError:
    import tflite_runtime.interpreter
"""
FACTOR = 1.5
MORE_S = 0.2
"""The promised limit is FACTOR times the imports, and MORE_S."""


def measure(_folder: Path, rounds: int = 21) -> list[Figure]:
    times = [(_seconds("-m", "sensorml", "probe"), _allowed_s()) for _ in range(rounds)]
    named = f"{FACTOR} × import numpy and the runtime, and {MORE_S * 1e3:g} ms"
    return [Figure("probe, without a model", medians(times), "s", 1.0, named)]


def _allowed_s() -> float:
    return FACTOR * _seconds("-c", BARE) + MORE_S


def _seconds(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - begun
