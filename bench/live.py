"""One live window, all the way to its journal row, against the bare loop.

Three channels of 512, hop 256, log spectrum, int8: the shipped demo model. A
block of one hop comes in, one window is judged, its row is made; the journal
commits every `COMMIT` windows, as often as one 800 Hz sensor makes in a second.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench import bare
from bench.figures import Figure, paired
from sensorml import cards
from sensorml.clock import WallClock
from sensorml.engines.tflite import TfliteEngine
from sensorml.health import SensorHealth
from sensorml.journal import Journal
from sensorml.monitor import Monitor, Stream
from sensorml.outbox import Outbox
from sensorml.pipeline import Pipeline
from sensorml.sampling import Reading
from sensorml.types import Block

WINDOWS = 2000
COMMIT = 3
DEMO = Path(__file__).parent.parent / "models" / "demo"


def measure(folder: Path, rounds: int = 7) -> list[Figure]:
    card = cards.load(DEMO)
    rng = np.random.default_rng(0)
    rows = (0.1 * rng.standard_normal((card.input.hop * 64, 3))).astype(np.float32)
    rows[:, 2] += 1
    ours, reference = paired(
        lambda: _ours(card, rows, folder / "live.db"), lambda: _bare(rows), rounds
    )
    what = "one live window, CPU, journal row included"
    named = "bare loop, one window at a time"
    return [Figure(what, ours * 1e6, reference * 1e6, "µs", 1.5, named)]


def _ours(
    card: cards.Card,
    rows: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    store: Path,
) -> float:
    """Return CPU seconds per window through the monitor and the journal."""
    outbox = Outbox(WallClock(), urgent=lambda: None)
    pipeline = Pipeline(card, TfliteEngine.load(DEMO / cards.CPU_FILE, card))
    stream = Stream("m", "s", pipeline, ())
    monitor = Monitor([SensorHealth("s", stale_after_s=2)], [stream], {}, outbox)
    journal = Journal.open(store)
    hop, rate_hz = card.input.hop, card.input.rate_hz
    blocks = [
        Block(rows[i : i + hop], round(i / rate_hz * 1e9), rate_hz)
        for i in range(0, len(rows), hop)
    ]
    begun = time.process_time()
    for i in range(WINDOWS):
        monitor.handle(Reading("s", time.monotonic_ns(), blocks[i % len(blocks)]))
        if i % COMMIT == 0:
            journal.append(outbox.take()[0])
    spent = time.process_time() - begun
    journal.close()
    return spent / stream.windows


def _bare(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> float:
    """Return CPU seconds per window of the bare loop."""
    sizes, score = bare.model(DEMO, batch=1)
    parts = list(bare.batches(rows, **sizes, batch=1))
    begun = time.process_time()
    for i in range(WINDOWS):
        score(parts[i % len(parts)])
    return (time.process_time() - begun) / WINDOWS
