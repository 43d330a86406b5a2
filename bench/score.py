"""CPU time of `sensorml score` against the bare loop, as whole processes.

The recording is ten minutes of three channels at 3200 Hz, int16, in one `.npz`; the
model is trained on another minute of the same machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.figures import Figure, paired

RATE_HZ = 3200
SCALE_G = 1 / 256
BARE = Path(__file__).with_name("bare.py")


def cpu_s(*command: str | Path) -> float:
    """Run a command; return its CPU time in s."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def recording(path: Path, seconds: float, seed: int) -> None:
    """Write the recording of a simulated machine: harmonics and noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    shaft = sum(a * np.sin(2 * np.pi * 24.7 * k * t) for k, a in ((1, 0.3), (2, 0.1)))
    g = 0.05 * rng.standard_normal((len(t), 3)) + np.asarray(shaft)[:, None]
    g[:, 2] += 1
    counts = np.round(g / SCALE_G).astype(np.int16)
    np.savez(
        path,
        samples=counts,
        scale=np.float64(SCALE_G),
        rate_hz=np.float64(RATE_HZ),
        channels=np.array(["x", "y", "z"]),
        unit=np.array("g"),
    )


def measure(folder: Path, rounds: int = 9) -> list[Figure]:
    normal, long, model = folder / "normal.npz", folder / "long.npz", folder / "model"
    recording(normal, 60, 1)
    recording(long, 600, 2)
    run = (sys.executable, "-m", "sensorml")
    subprocess.run(
        [*run, "train", "--normal", normal, "--out", model],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _same_scores(folder, model, long)
    pair = paired(
        lambda: cpu_s(
            *run, "score", "--model", model, long, "--out", folder / "out.csv"
        ),
        lambda: cpu_s(sys.executable, BARE, model, long),
        rounds,
    )
    what = "score 10 min of 3 × 3200 Hz, CPU, whole process"
    return [Figure(what, pair, "s", 1.3, "bare numpy + interpreter loop")]


def _same_scores(folder: Path, model: Path, long: Path) -> None:
    """Check that both do the same work.

    Raises:
        SystemExit: the number of windows or their mean score differs.
    """
    out = folder / "scores.csv"
    run = (sys.executable, "-m", "sensorml", "score", "--model", model, long)
    subprocess.run([*run, "--out", out], check=True, stderr=subprocess.DEVNULL)
    rows = [line.split(",") for line in out.read_text().splitlines()[1:]]
    ours = float(np.mean([float(row[4]) for row in rows]))
    bare = subprocess.run(
        [sys.executable, BARE, model, long], check=True, capture_output=True, text=True
    ).stdout.split()
    if len(rows) != int(bare[0]) or abs(ours / float(bare[1]) - 1) > 0.01:
        raise SystemExit(f"not the same work: {len(rows)} {ours} against {bare}")
