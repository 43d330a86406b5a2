"""CPU time of one live window, to its journal row, against the bare loop.

The model is the shipped demo: three channels of 512 rows, hop 256, log spectrum, int8.
A block of one hop gives one judged window and its row. The journal commits every
`COMMIT` windows, once a second at 1 kHz, the lowest rate with such a window by default.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path

import numpy as np

from bench import bare
from bench.figures import Figure, paired
from sensorml.acquisition.inbox import Reading
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.clock import WallClock
from sensorml.inference.tflite import TfliteEngine
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import Monitor
from sensorml.service.streams import Stream
from sensorml.storage.journal import Journal
from sensorml.storage.outbox import Outbox
from sensorml.types import Block, Float32

WINDOWS = 300
"""The windows of a round, few so that a pair runs at the same machine speed."""
COMMIT = 4
DEMO = Path(__file__).parent.parent / "models" / "demo"


def measure(folder: Path, rounds: int = 41) -> list[Figure]:
    card = model_files.load(DEMO)
    rng = np.random.default_rng(0)
    rows = (0.1 * rng.standard_normal((card.input.hop * 64, 3))).astype(np.float32)
    rows[:, 2] += 1
    gc.freeze()  # as the program does at its start; it applies to both sides
    ours = _Ours(card, rows, folder / "live.db")
    pair = paired(ours, _Bare(rows, card.input.hop), rounds)
    ours.close()
    what = "one live window, CPU, journal row included"
    return [Figure(what, pair, "µs", 1.5, "bare loop, one window at a time")]


class _Ours:
    """The windows through the monitor and into the journal."""

    def __init__(self, card: cards.Card, rows: Float32, store: Path) -> None:
        self._wall = WallClock()
        self._outbox = Outbox(urgent=lambda: None)
        pipeline = Pipeline(card, TfliteEngine.load(DEMO / cards.CPU_FILE, card))
        stream = Stream("m", "s", pipeline)
        health = SensorHealth("s", stale_after_s=2)
        self._monitor = Monitor([health], [stream], [], self._outbox)
        self._journal = Journal.open(store)
        hop, rate_hz = card.input.hop, card.input.rate_hz
        self._blocks = [
            Block(rows[i : i + hop], round(i / rate_hz * 1e9), rate_hz)
            for i in range(0, len(rows), hop)
        ]

    def __call__(self) -> float:
        """Return the CPU time of a window in µs."""
        judged = self._monitor.results
        begun = time.process_time()
        for i in range(WINDOWS):
            block = self._blocks[i % len(self._blocks)]
            self._monitor.handle(Reading("s", time.monotonic_ns(), block))
            if i % COMMIT == 0:
                rows = self._outbox.take()
                self._wall.check()
                self._journal.append(rows, offset_ns=self._wall.offset_ns)
        spent = time.process_time() - begun
        self._monitor.tick(time.monotonic_ns())
        return spent * 1e6 / (self._monitor.results - judged)

    def close(self) -> None:
        self._journal.close()


class _Bare:
    """The same windows through the bare loop, with a buffer that each block shifts."""

    def __init__(self, rows: Float32, hop: int) -> None:
        sizes, self._score = bare.model(DEMO, batch=1)
        self._buffer = np.zeros((sizes["window"], rows.shape[1]), np.float32)
        self._blocks = [rows[i : i + hop] for i in range(0, len(rows), hop)]

    def __call__(self) -> float:
        """Return the CPU time of a window in µs."""
        begun = time.process_time()
        for i in range(WINDOWS):
            block = self._blocks[i % len(self._blocks)]
            self._buffer[: -len(block)] = self._buffer[len(block) :]
            self._buffer[-len(block) :] = block
            self._score(self._buffer.T[None])
        return (time.process_time() - begun) * 1e6 / WINDOWS
