"""An accelerator that may fail, and the CPU that does the work meanwhile.

Every window is scored, at once: by the accelerator while it works, else by the
CPU. A delegate that failed is opened again on a thread of its own, later and
later, and takes over when it has computed what the CPU did on real windows.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from sensorml.errors import DelegateError, SensormlError
from sensorml.interfaces import Engine, Inference
from sensorml.types import Float32

COMPARED: Final = 8
"""Windows on which an accelerator has to agree with the CPU."""

log = logging.getLogger("sensorml")


class BackOff:
    """When to open a delegate again; pure but for the jitter.

    The wait doubles with every failure, between half and all of it at random.
    Failures are forgotten once a delegate has worked for `steady_s`: one that
    fails again soon waits longer. However it fails, there are no more than
    `budget` openings in `budget_s`: each resets the stick.
    """

    def __init__(
        self,
        *,
        first_s: float = 2.0,
        longest_s: float = 600.0,
        steady_s: float = 600.0,
        budget: int = 10,
        budget_s: float = 3600.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._steady_s = steady_s
        self._budget_s = budget_s
        self._jitter = jitter
        self._openings: deque[float] = deque(maxlen=budget)
        self._failures = 0
        self._working_since_s: float | None = None
        self.due_s = -float("inf")
        """When the next opening may begin, on the caller's clock."""

    def opening(self, now_s: float) -> None:
        """Take in that an opening begins."""
        self._openings.append(now_s)

    def working(self, now_s: float) -> None:
        """Take in that the delegate has taken over."""
        self._working_since_s = now_s

    def failed(self, now_s: float) -> None:
        """Take in that it did not open, or failed afterwards; sets `due_s`."""
        since_s, self._working_since_s = self._working_since_s, None
        if since_s is not None and now_s - since_s >= self._steady_s:
            self._failures = 0
        ceiling_s = min(self._first_s * 2.0 ** min(self._failures, 30), self._longest_s)
        self._failures += 1
        self.due_s = now_s + ceiling_s * (0.5 + 0.5 * self._jitter())
        if len(self._openings) == self._openings.maxlen:
            self.due_s = max(self.due_s, self._openings[0] + self._budget_s)


class FailoverEngine:
    """Two engines for one model: an accelerator when it works, else the CPU.

    `infer` waits for an accelerator no longer than that engine's own deadline,
    and the window that it then held is scored on the CPU.
    """

    def __init__(
        self,
        cpu: Engine,
        open_accelerated: Callable[[threading.Event], Engine],
        *,
        tolerance: float,
        back_off: BackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin on the CPU.

        Args:
            cpu: always there; closed with this engine.
            open_accelerated: makes the other engine, on a thread of its own. It
                gives up soon when the event is set. Its engine is over after a
                DelegateError, and is then closed.
            tolerance: how far an output may be from the CPU's, in its unit.
            back_off: when to open again.
            clock: seconds, monotonic.
        """
        self.delegate = cpu.delegate
        """What answered the last call."""
        self.why = "the accelerator is not open yet"
        """Why the CPU does the work, or empty."""
        self._cpu = cpu
        self._open_accelerated = open_accelerated
        self._tolerance = tolerance
        self._back_off = back_off or BackOff()
        self._clock = clock
        self._accelerated: Engine | None = None
        self._opening: Future[Engine] | None = None
        self._given_up = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="accelerator")
        # The last windows on the CPU: features and outputs, (1, ...) each.
        self._seen: deque[tuple[Float32, Float32]] = deque(maxlen=COMPARED)

    @property
    def degraded(self) -> bool:
        """Whether the CPU does the accelerator's work; `why` says the reason."""
        return self._accelerated is None

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs), n >= 1, on what works."""
        self._promote()
        if self._accelerated is not None:
            try:
                done = self._accelerated.infer(features)
            except DelegateError as err:
                self._accelerated.close()
                self._accelerated = None
                self._failed(str(err))
            else:
                self.delegate = self._accelerated.delegate
                return done
        done = self._cpu.infer(features)
        self.delegate = self._cpu.delegate
        for i in range(max(0, len(features) - COMPARED), len(features)):
            self._seen.append((features[[i]], done.outputs[[i]]))
        self._reopen()
        return done

    def close(self) -> None:
        """Give up an opening, wait for its thread, close both engines."""
        self._given_up.set()
        self._thread.shutdown()
        opening, self._opening = self._opening, None
        if opening is not None and opening.exception() is None:
            opening.result().close()
        if self._accelerated is not None:
            self._accelerated.close()
        self._cpu.close()

    def _reopen(self) -> None:
        """Begin an opening when it is due and there are windows to compare."""
        now_s = self._clock()
        if self._opening or now_s < self._back_off.due_s or len(self._seen) < COMPARED:
            return
        self._back_off.opening(now_s)
        self._opening = self._thread.submit(self._open_checked, tuple(self._seen))

    def _promote(self) -> None:
        """Take what an opening has come to, if it is over."""
        if self._opening is None or not self._opening.done():
            return
        opening, self._opening = self._opening, None
        try:
            self._accelerated = opening.result()
        except SensormlError as err:
            self._failed(str(err))
        else:
            self._back_off.working(self._clock())
            self.why = ""
            log.info("%s has taken over from the CPU", self._accelerated.delegate)

    def _failed(self, why: str) -> None:
        now_s = self._clock()
        self._back_off.failed(now_s)
        self.why = why
        wait_s = self._back_off.due_s - now_s
        log.warning("%s; the CPU goes on, next try in %.0f s", why, wait_s)

    def _open_checked(self, seen: tuple[tuple[Float32, Float32], ...]) -> Engine:
        """Open the accelerator and hold it against the CPU; on the thread."""
        engine = self._open_accelerated(self._given_up)
        try:
            made = engine.infer(np.concatenate([features for features, _ in seen]))
            outputs = np.concatenate([outputs for _, outputs in seen])
            if why := _why_not(made.outputs, outputs, self._tolerance):
                raise DelegateError(f"{engine.delegate}: {why}")
        except SensormlError:
            engine.close()
            raise
        return engine


def _why_not(made: Float32, wanted: Float32, tolerance: float) -> str | None:
    """Say how an accelerator's outputs differ, or return None if they do not."""
    cure = "compile its model again from the CPU's"
    if made.shape != wanted.shape:
        return f"its outputs are {made.shape[1:]}, the CPU's {wanted.shape[1:]}: {cure}"
    largest = float(np.abs(made - wanted).max())
    if largest <= tolerance:  # not so when it is NaN
        return None
    return (
        f"its outputs are up to {largest:.3g} away from the CPU's, where "
        f"{tolerance:.3g} is allowed: {cure}"
    )
