"""How late the event loop is while a library hangs.

The real service on recorded samples, with a task on its loop that wants to be
woken every millisecond. A library may hang when it is loaded or when it takes a
model; the reference is the same service without one. As a program it runs one
such service and prints the latest wake-up in ms.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.figures import NO_GCC, Observation
from sensorml import loading, service
from sensorml.cards import (
    CARD,
    CPU_FILE,
    EDGETPU_FILE,
    Card,
    Input,
    Output,
    Raw,
    Threshold,
    sha256,
)
from sensorml.recordings import write_npz
from sensorml.training.toml import card_text
from tests.delegate import pair

ROOT = Path(__file__).parent.parent
HANGS = ("create", "prepare")
RATE_HZ = 800
WINDOW = 16
ROUNDS = 5
SECONDS = 4
MOST_MS = 5
TICK_S = 0.001

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
    late_ms: dict[str, list[float]] = {name: [] for name in ("cpu", *HANGS)}
    for _ in range(rounds):
        for name, each in late_ms.items():
            each.append(_late_ms(folder, name))
    usual_ms = statistics.median(late_ms.pop("cpu"))
    return [_stalled(when, each, usual_ms) for when, each in late_ms.items()]


def _stalled(when: str, late_ms: list[float], usual_ms: float) -> Observation:
    p50_ms = statistics.median(late_ms)
    missed = "" if p50_ms <= MOST_MS else " (missed)"
    return Observation(
        f"event loop while a library hangs in {when}",
        f"{p50_ms:.1f} ms late{missed}, {usual_ms:.1f} ms without it",
        f"the latest of 1 ms ticks in {SECONDS} s, median of {len(late_ms)} runs, "
        f"{min(late_ms):.1f} ms in the best; promised ≤ {MOST_MS} ms",
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
        features=Raw(remove_dc=False),
        output=Output(score="value"),
        threshold=Threshold(value=1),
        files={name: sha256(folder / name) for name in (CPU_FILE, EDGETPU_FILE)},
    )
    (folder / CARD).write_text(card_text(card), encoding="utf-8")


def _late_ms(folder: Path, name: str) -> float:
    """Run a service; `name` is where its library hangs, or cpu for none."""
    (folder / "stall.toml").write_text(_CONFIG.format(delegate=name))
    (folder / "delegates").mkdir(exist_ok=True)
    for when in HANGS:
        path = folder / "delegates" / f"{when}.toml"
        path.write_text(_DELEGATE.format(when=when))
    places = {
        "CONFIGURATION_DIRECTORY": folder,
        "CACHE_DIRECTORY": folder / "cache",
        "LD_LIBRARY_PATH": folder,
    }
    ran = subprocess.run(
        [sys.executable, "-m", "bench.stall", folder / "stall.toml"],
        cwd=ROOT,
        env=os.environ | {key: str(place) for key, place in places.items()},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(ran.stdout)


def main() -> None:
    config = loading.load(Path(sys.argv[1]))
    late_s: list[float] = []

    async def tick(_: object) -> None:
        while True:
            due_s = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            late_s.append(time.perf_counter() - due_s)

    store = config.store_path()
    asyncio.run(service.run(config, store, duration_s=SECONDS, viewer=tick))
    print(max(late_s) * 1e3)


if __name__ == "__main__":
    main()
