"""Delay of the event loop while a library hangs.

The real service runs on recorded samples, with a task on its loop that is due every
millisecond. A library hangs when it is loaded or when it prepares a model; the
reference is the same service without a library. As a program this module runs one such
service and prints its two figures in ms.

The loop is late when another thread holds the interpreter's lock, or when it waits for
a core, which a starting child and any other program may use. The kernel counts the
waits for a core; the rest is a stall.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.figures import NO_GCC, Observation
from sensorml.config import loading
from sensorml.pipeline.features import raw
from sensorml.pipeline.model_card import (
    CARD,
    CPU_FILE,
    EDGETPU_FILE,
    Card,
    Input,
    Output,
    Threshold,
)
from sensorml.pipeline.model_files import sha256
from sensorml.recordings import write_npz
from sensorml.service import run as service
from sensorml.training.card_writer import card_text
from tests.delegate import pair

ROOT = Path(__file__).parent.parent
HANGS = ("create", "prepare")
RATE_HZ = 800
WINDOW = 16
ROUNDS = 5
SECONDS = 4
MOST_MS = 5
TICK_NS = 1_000_000

_CONFIG = """
[[sensor]]
name = "motor"
driver = "file"
path = "healthy.npz"
pace = "real"
[[model]]
name = "m"
path = "model"
sensor = "motor"
delegate = "{delegate}"
[store]
path = "stall.db"
"""
_DELEGATE = """
title = "A library that hangs"
tried = false
[match]
always = true
[library]
names = ["libdelegate.so"]
options = {{ {when} = "hang" }}
cure = "build it"
[model]
file = "model_edgetpu.tflite"
dtypes = ["int8"]
"""


class Late(NamedTuple):
    """The delay of the latest tick of a run."""

    stalled_ms: float
    """The delay without the wait for a core."""
    late_ms: float


def observe(folder: Path, rounds: int = ROUNDS) -> list[Observation]:
    if shutil.which("gcc") is None:
        return [Observation("the event loop while a library hangs", *NO_GCC)]
    pair.build(folder)
    _model(folder / "model")
    samples = np.random.default_rng(0).uniform(-1, 1, (60 * RATE_HZ, 1))
    write_npz(
        folder / "healthy.npz",
        samples=samples.astype(np.float32),
        rate_hz=RATE_HZ,
        channels=["x"],
        unit="g",
        start_ns=0,
    )
    runs: dict[str, list[Late]] = {name: [] for name in ("cpu", *HANGS)}
    for _ in range(rounds):
        for name, late in runs.items():
            late.append(_run(folder, name))
    reference = _median(runs.pop("cpu"))
    return [_stalled(when, _median(run), reference) for when, run in runs.items()]


def _median(runs: Sequence[Late]) -> Late:
    return Late(*map(statistics.median, zip(*runs, strict=True)))


def _stalled(when: str, late: Late, reference: Late) -> Observation:
    missed = "" if late.stalled_ms <= MOST_MS else " (missed)"
    return Observation(
        f"event loop stalled while a library hangs in {when}",
        f"{late.stalled_ms:.1f} ms{missed}; {reference.stalled_ms:.1f} ms without it",
        f"latest of 1 ms ticks in {SECONDS} s, median of runs; with the wait for a "
        f"core {late.late_ms:.1f} and {reference.late_ms:.1f} ms; "
        f"promised ≤ {MOST_MS} ms",
    )


def _model(folder: Path) -> None:
    folder.mkdir()
    (folder / CPU_FILE).write_bytes(pair.cpu_model(WINDOW))
    (folder / EDGETPU_FILE).write_bytes(pair.compiled_model(WINDOW))
    card = Card(
        name="copy",
        version="1",
        kind="regression",
        input=Input(
            channels=("x",), unit="g", rate_hz=RATE_HZ, window=WINDOW, hop=WINDOW
        ),
        features=raw.Features(remove_dc=False),
        output=Output(score="value"),
        threshold=Threshold(value=1),
        files={name: sha256(folder / name) for name in (CPU_FILE, EDGETPU_FILE)},
    )
    (folder / CARD).write_text(card_text(card), encoding="utf-8")


def _run(folder: Path, name: str) -> Late:
    """Run a service whose library hangs in `name`; cpu is one without a library."""
    (folder / "stall.toml").write_text(_CONFIG.format(delegate=name))
    (folder / "delegates").mkdir(exist_ok=True)
    for when in HANGS:
        path = folder / "delegates" / f"{when}.toml"
        path.write_text(_DELEGATE.format(when=when))
    environ = {
        "CONFIGURATION_DIRECTORY": folder,
        "CACHE_DIRECTORY": folder / "cache",
        "LD_LIBRARY_PATH": folder,
    }
    process = subprocess.run(
        [sys.executable, "-m", "bench.stall", folder / "stall.toml"],
        cwd=ROOT,
        env=os.environ | {key: str(path) for key, path in environ.items()},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Late(*map(float, process.stdout.split()))


def main() -> None:
    config = loading.load(Path(sys.argv[1]))
    ticks: list[Late] = []

    async def tick(_: object) -> None:
        while True:
            due_ns, waited_ns = time.perf_counter_ns() + TICK_NS, _waited_ns()
            await asyncio.sleep(TICK_NS / 1e9)
            late_ns = time.perf_counter_ns() - due_ns
            stalled_ns = late_ns - (_waited_ns() - waited_ns)
            ticks.append(Late(stalled_ns / 1e6, late_ns / 1e6))

    store = config.store_path()
    asyncio.run(service.run(config, store, duration_s=SECONDS, viewer=tick))
    print(*map(max, zip(*ticks, strict=True)))


def _waited_ns() -> int:
    """Return how long this thread has waited for a core, from proc(5)."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1])


if __name__ == "__main__":
    main()
