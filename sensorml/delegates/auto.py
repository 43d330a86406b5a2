"""`delegate = "auto"`: which of the CPU and the accelerators is the fastest.

An Edge TPU's smallest round trip is over a millisecond; many models of
vibration take microseconds on the CPU. So it is measured, on windows that the
CPU has scored, in the background.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final, Protocol

import numpy as np

from sensorml.delegates.decision_cache import Decision, Latency
from sensorml.delegates.failover import Opened
from sensorml.delegates.tolerance import Tolerance, Windows
from sensorml.errors import DelegateError
from sensorml.interfaces import Engine

RUNS: Final = 200
LONGEST_S: Final = 1.0


class Candidate(Protocol):
    """An accelerator that may turn out faster than the CPU."""

    @property
    def name(self) -> str: ...
    def open(self, cancel: threading.Event) -> Engine:
        """Open it.

        Raises:
            DelegateError: it cannot be opened.
        """

    def drop(self) -> None:
        """Hear that it will not be opened again."""


class Contest:
    """Opens every candidate, checks it, measures it; then opens the winner only."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        open_cpu: Callable[[], Engine],
        *,
        tolerance: Tolerance,
        remember: Callable[[Decision], None],
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            candidates: at least one.
            open_cpu: makes a CPU engine to be measured; the one in use is not free.
            tolerance: how far an output may be from the CPU's.
            remember: called with a decision in which every candidate had its say.
            clock: ns, monotonic.
        """
        self._candidates = list(candidates)
        self._open_cpu = open_cpu
        self._tolerance = tolerance
        self._remember = remember
        self._clock = clock
        self._decided = False

    def __call__(self, windows: Windows, cancel: threading.Event) -> Opened:
        """Open the best; an `failover.Opening`.

        Raises:
            DelegateError: no candidate could be measured; the reasons of all.
        """
        if self._decided:
            [best] = self._candidates
            return Opened(best.open(cancel))
        with closing(self._open_cpu()) as cpu:
            least = latency(cpu, windows, cancel, self._clock)
        latencies = {"cpu": least}
        winner: Candidate | None = None
        found: Engine | None = None
        refused: list[str] = []
        for candidate in self._candidates:
            try:
                engine, took = self._measured(candidate, windows, cancel)
            except DelegateError as err:
                refused.append(str(err))
                continue
            latencies[candidate.name] = took
            slower: Engine | None = engine
            if took.p95 < least.p95:
                slower, found, winner, least = found, engine, candidate, took
            if slower is not None:
                slower.close()
        if len(latencies) == 1:
            raise DelegateError("; ".join(refused))
        for candidate in self._candidates:
            if candidate is not winner:
                candidate.drop()
        decision = Decision(
            winner="cpu" if winner is None else winner.name, us=latencies
        )
        if not refused:
            self._remember(decision)
        self._candidates = [] if winner is None else [winner]
        self._decided = True
        return Opened(found, "; ".join([decision.said(), *refused]))

    def _measured(
        self, candidate: Candidate, windows: Windows, cancel: threading.Event
    ) -> tuple[Engine, Latency]:
        """Open it and hold it against the CPU: a wrong answer is no fast one."""
        engine = candidate.open(cancel)
        try:
            self._tolerance.check(engine, windows)
            return engine, latency(engine, windows, cancel, self._clock)
        except DelegateError:
            engine.close()
            raise


def latency(
    engine: Engine,
    windows: Windows,
    cancel: threading.Event,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Latency:
    """Measure a window's whole way: 200 of them, fewer if that takes over 1 s.

    Raises:
        DelegateError: the engine failed, or it was given up.
    """
    rows = windows.features
    took_ns: list[int] = []
    engine.infer(rows)  # warms up
    end_ns = clock() + round(LONGEST_S * 1e9)
    while len(took_ns) < RUNS:
        row = rows[[len(took_ns) % len(rows)]]
        begun_ns = clock()
        engine.infer(row)
        took_ns.append((now_ns := clock()) - begun_ns)
        if cancel.is_set():
            raise DelegateError(f"{engine.delegate}: its measurement was given up")
        if now_ns > end_ns:
            break
    p50_us, p95_us = (float(p) / 1e3 for p in np.percentile(took_ns, (50, 95)))
    return Latency(p50=p50_us, p95=p95_us, runs=len(took_ns))
