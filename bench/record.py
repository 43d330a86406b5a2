"""Peak memory and duration of `record` for an hour at 3 × 3200 Hz, against six minutes.

The source is a recording that repeats without pause, so that an hour passes fast.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.figures import Observation
from sensorml.recordings import write_npz

RATE_HZ = 3200
CONFIG = """
[[sensor]]
name = "motor"
driver = "file"
path = "source.npz"
pace = "fast"
repeat = true
"""


class Run(NamedTuple):
    """One recording: its rows, and the cost of the process."""

    rows: int
    peak_mb: float
    seconds: float
    cpu_s: float


def observe(folder: Path, seconds: int = 3600) -> list[Observation]:
    config = folder / "record.toml"
    config.write_text(CONFIG)
    samples = np.random.default_rng(0).normal(0, 1, (10 * RATE_HZ, 3))
    write_npz(
        folder / "source.npz",
        samples=samples.astype(np.float32),
        rate_hz=RATE_HZ,
        channels=["x", "y", "z"],
        unit="g",
        start_ns=0,
    )
    observations = []
    for ending in (".npz", ".csv", ".wav", ".parquet"):
        short = record(config, folder / f"short{ending}", seconds // 10)
        long = record(config, folder / f"long{ending}", seconds)
        observations.append(
            Observation(
                f"record {ending}, peak memory",
                f"{long.peak_mb:.0f} MB for {long.rows / 1e6:.1f} M rows, "
                f"{short.peak_mb:.0f} MB for {short.rows / 1e6:.1f} M rows",
                f"3 channels; {long.cpu_s:.1f} s of CPU, {long.seconds:.1f} s",
            )
        )
    return observations


def record(config: Path, out: Path, seconds: int) -> Run:
    """Record in a process of its own."""
    begun_s = time.monotonic()
    arguments = "record", str(config), "--sensor", "motor", "--duration", str(seconds)
    process = subprocess.Popen(
        [sys.executable, "-m", "sensorml", *arguments, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(f"record ended with {process.returncode}")
    out.unlink()
    return Run(
        rows=int(line.split(": ")[-1].split()[0]),
        peak_mb=usage.ru_maxrss / 1024,
        seconds=time.monotonic() - begun_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
    )
