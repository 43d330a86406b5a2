"""CPU time of reading a recording of 500 MB, against NumPy's own reading of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.figures import Figure, paired
from sensorml.recordings import read, write_npz

ROWS = 42_000_000
CHANNELS = ("x", "y", "z")


def measure(folder: Path, rounds: int = 3) -> list[Figure]:
    path = folder / "long.npz"
    noise = np.random.default_rng(0).normal(0, 1, (100_000, len(CHANNELS)))
    samples = np.resize(noise.astype(np.float32), (ROWS, len(CHANNELS)))
    write_npz(
        path, samples=samples, rate_hz=3200, channels=CHANNELS, unit="g", start_ns=0
    )
    del samples

    def ours() -> float:
        return cpu_s(lambda: len(read(path).samples))

    def numpy() -> float:
        with np.load(path) as arrays:
            return cpu_s(lambda: len(arrays["samples"]))

    pair = paired(ours, numpy, rounds)
    return [Figure("read 500 MB of .npz", pair, "s", 2.0, "np.load")]


def cpu_s(work: Callable[[], int]) -> float:
    begun_s = time.process_time()
    if work() != ROWS:
        raise RuntimeError("rows are missing")
    return time.process_time() - begun_s
