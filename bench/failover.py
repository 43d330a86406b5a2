"""Fail-over of an accelerator that hangs, aborts or crashes every five seconds.

A real inbox receives 100 windows a second of wall time, and a real monitor judges them
with an engine whose delegate, in a child process, fails in one way after the other. The
limits are: the window of a failure is scored on the CPU within the deadline and 20 ms,
and no window is lost.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import threading
import time
from pathlib import Path

import numpy as np

from bench.figures import NO_GCC, Observation
from sensorml.acquisition.inbox import Inbox, Reading
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.backoff import RationedBackOff
from sensorml.delegates.child_engine import INVOKE_S, open_child
from sensorml.delegates.failover import FailoverEngine, Opened
from sensorml.delegates.tolerance import COMPARED, Tolerance, Windows
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import parse
from sensorml.interfaces import Inference
from sensorml.pipeline.features import raw
from sensorml.pipeline.model_card import CPU_FILE, Card, Input, Output, Threshold
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import Monitor
from sensorml.service.streams import Stream
from sensorml.storage.outbox import Outbox
from sensorml.types import Block, Float32
from tests.delegate import pair

FAILURES = {"hang": INVOKE_S, "abort": 0.0, "segv": 0.0}
"""The kinds of failure, each with the deadline that detects it."""
LATE_S = 0.02
SECONDS = 60
WINDOWS_HZ = 100
PERIOD_S = 5
WINDOW = 16
_REOPENING_S = 0.6  # back-off, start of a child, windows to compare
_GOOD = round((PERIOD_S - _REOPENING_S) * WINDOWS_HZ) + COMPARED + 1
"""Invokes before a failure; the first ones belong to the opening."""


def observe(folder: Path, seconds: int = SECONDS) -> list[Observation]:
    what = "an accelerator fails"
    if shutil.which("gcc") is None:
        return [Observation(what, *NO_GCC)]
    failing = _Failing(pair.build(folder))
    lost = _run(failing, seconds * WINDOWS_HZ)
    how = (
        f"{WINDOWS_HZ} windows/s for {seconds} s, {len(failing.gaps_s)} failures: "
        "windows without a score"
    )
    missed = " (missed)" if lost else ""
    observed = [Observation(what, f"{lost} windows lost{missed}", how)]
    for kind, deadline_s in FAILURES.items():
        gaps_s = [gap for failed, gap in failing.gaps_s if failed == kind]
        if gaps_s:
            observed.append(_gap(kind, deadline_s, gaps_s))
    return observed


def _gap(kind: str, deadline_s: float, gaps_s: list[float]) -> Observation:
    most_s = deadline_s + LATE_S
    p50_ms, max_ms = statistics.median(gaps_s) * 1e3, max(gaps_s) * 1e3
    missed = "" if max(gaps_s) <= most_s else " (missed)"
    return Observation(
        f"it fails by {kind} → the CPU's result",
        f"p50 {p50_ms:.0f} ms, max {max_ms:.0f} ms{missed}",
        f"{len(gaps_s)} times; promised ≤ {most_s * 1e3:.0f} ms",
    )


class _Failing:
    """A fail-over engine that records how long each failure took."""

    delegate = "cpu"
    degraded = False
    why = ""

    def __init__(self, library: Path) -> None:
        self.gaps_s: list[tuple[str, float]] = []
        self.scored = 0
        self._library = library
        self._kinds = itertools.cycle(FAILURES)
        cpu = parse(pair.cpu_model(WINDOW))
        self._engine = FailoverEngine(
            TfliteEngine(cpu, 1, None),
            self._open,
            tolerance=Tolerance.of(cpu.outputs[0]),
            hop_s=1 / WINDOWS_HZ,
            back_off=RationedBackOff(first_s=0.1, longest_s=0.1, budget=SECONDS),
        )

    def infer(self, features: Float32) -> Inference:
        before = self.delegate
        begun_s = time.perf_counter()
        inference = self._engine.infer(features)
        self.delegate = self._engine.delegate
        if before != "cpu" and self.delegate == "cpu":
            self.gaps_s.append((before, time.perf_counter() - begun_s))
        self.scored += int(np.isfinite(inference.outputs).all(axis=1).sum())
        return inference

    def close(self) -> None:
        self._engine.close()

    def _open(self, _windows: Windows, cancel: threading.Event) -> Opened:
        kind = next(self._kinds)
        options = {"invoke": kind, "after": str(_GOOD)}
        accelerator = Accelerator(kind, str(self._library), options)
        file = parse(pair.compiled_model(WINDOW))
        return Opened(open_child(file, accelerator, cancel=cancel))


def _run(engine: _Failing, windows: int) -> int:
    """Judge windows in real time; return how many have no score."""
    monitor, inbox = _monitor(engine), Inbox()
    rate_hz = float(WINDOW * WINDOWS_HZ)
    rows = np.random.default_rng(0).uniform(-1, 1, (windows, WINDOW, 1))
    thread = threading.Thread(target=monitor.run, args=(inbox,), name="engine")
    thread.start()
    begun_ns = time.monotonic_ns()
    for i, samples in enumerate(rows.astype(np.float32)):
        begins_ns = begun_ns + i * 10**9 // WINDOWS_HZ
        ends_ns = begun_ns + (i + 1) * 10**9 // WINDOWS_HZ
        time.sleep(max(0, ends_ns - time.monotonic_ns()) / 1e9)
        block = Block(samples, begins_ns, rate_hz)
        inbox.put(Reading("s", time.monotonic_ns(), block))
    inbox.close()
    thread.join()
    engine.close()
    return windows - min(engine.scored, monitor.results)


def _monitor(engine: _Failing) -> Monitor:
    card = Card(
        name="copy",
        version="1",
        kind="regression",
        input=Input(
            channels=("x",),
            unit="g",
            rate_hz=WINDOW * WINDOWS_HZ,
            window=WINDOW,
            hop=WINDOW,
        ),
        features=raw.Features(remove_dc=False),
        output=Output(score="value"),
        threshold=Threshold(value=1),
        files={CPU_FILE: ""},
    )
    outbox = Outbox(urgent=lambda: None)
    stream = Stream("m", "s", Pipeline(card, engine))
    health = SensorHealth("s", stale_after_s=2)
    return Monitor([health], [stream], [], outbox)
