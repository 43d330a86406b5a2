"""The selection of `delegate = "auto"`: the fastest of the CPU and the accelerators.

The smallest round trip of an Edge TPU takes over a millisecond, many vibration
models take microseconds on the CPU. So each is measured, in the background, on
windows that the CPU has scored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

from sensorml.delegates.decision_cache import Decision
from sensorml.delegates.failover import Opened
from sensorml.delegates.tolerance import Tolerance, Windows
from sensorml.errors import DelegateError
from sensorml.inference.latency import Latency, measure
from sensorml.interfaces import Engine


class Candidate(Protocol):
    """An accelerator that may be faster than the CPU."""

    @property
    def name(self) -> str: ...
    def open(self, cancel: threading.Event) -> Engine:
        """Open it.

        Raises:
            DelegateError: it cannot be opened.
        """

    def drop(self) -> None:
        """Release it; it is not opened again."""


class AutoSelection:
    """Opens, checks and measures every candidate; later opens the fastest only."""

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
            open_cpu: returns a CPU engine to be measured; the one in use is busy.
            tolerance: the allowed difference of an output from the CPU's.
            remember: called with a decision for which every candidate was measured.
            clock: ns, monotonic.
        """
        self._candidates = list(candidates)
        self._open_cpu = open_cpu
        self._tolerance = tolerance
        self._remember = remember
        self._clock = clock
        self._decided = False

    def __call__(self, windows: Windows, cancel: threading.Event) -> Opened:
        """Open the fastest; a `failover.Opening`.

        Raises:
            DelegateError: no candidate could be measured; with the reason of each.
        """
        if self._decided:
            [fastest] = self._candidates
            return Opened(fastest.open(cancel))
        with closing(self._open_cpu()) as cpu:
            least = measure(cpu, windows.features, cancel, self._clock)
        latencies = {"cpu": least}
        winner: Candidate | None = None
        winning: Engine | None = None
        refused: list[str] = []
        for candidate in self._candidates:
            try:
                engine, latency = self._measured(candidate, windows, cancel)
            except DelegateError as err:
                refused.append(str(err))
                continue
            latencies[candidate.name] = latency
            slower: Engine | None = engine
            if latency.p95 < least.p95:
                slower, winning, winner, least = winning, engine, candidate, latency
            if slower is not None:
                slower.close()
        if len(latencies) == 1:
            raise DelegateError("; ".join(refused))
        self._settle(winner)
        decision = Decision(
            winner="cpu" if winner is None else winner.name, us=latencies
        )
        if not refused:
            self._remember(decision)
        return Opened(winning, "; ".join([str(decision), *refused]))

    def _settle(self, winner: Candidate | None) -> None:
        for candidate in self._candidates:
            if candidate is not winner:
                candidate.drop()
        self._candidates = [] if winner is None else [winner]
        self._decided = True

    def _measured(
        self, candidate: Candidate, windows: Windows, cancel: threading.Event
    ) -> tuple[Engine, Latency]:
        """Open a candidate, compare it with the CPU, and measure it."""
        engine = candidate.open(cancel)
        try:
            self._tolerance.check(engine, windows)
            return engine, measure(engine, windows.features, cancel, self._clock)
        except DelegateError:
            engine.close()
            raise
