"""An accelerator that may fail, and the CPU that does the work meanwhile.

Every window is scored, at once: by the accelerator while it works, else by the
CPU. A delegate that failed is opened again on a thread of its own, later and
later, and takes over when it has computed what the CPU did on real windows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from sensorml.backoff import RationedBackOff
from sensorml.delegates.qualification import Report
from sensorml.delegates.tolerance import CURE, Recent, Tolerance, Windows
from sensorml.errors import DelegateError, SensormlError
from sensorml.interfaces import Engine, Inference
from sensorml.types import Float32

SPOT_CHECK: Final = 1000
"""Of so many windows on the accelerator, one also runs on the CPU."""
LATE_S: Final = 1.0
"""An accelerator that has fallen so far behind the windows is given up."""

log = logging.getLogger("sensorml")


class Opened(NamedTuple):
    """What came of an opening."""

    engine: Engine | None
    """None: the CPU is the better one, for good."""
    detail: str = ""


Opening = Callable[[Windows, threading.Event], Opened]
"""Makes the accelerated engine, given windows that the CPU has scored. It gives
up soon when the event is set."""


class FailoverEngine:
    """Two engines for one model: an accelerator when it works, else the CPU.

    `infer` waits for an accelerator no longer than that engine's own deadline,
    and the window that it then held is scored on the CPU. States, as reported:
    opening, refused (has not worked yet), accelerated, degraded (works no
    more), cpu (is not wanted any more).
    """

    def __init__(
        self,
        cpu: Engine,
        open_accelerated: Opening,
        *,
        tolerance: Tolerance,
        hop_s: float,
        report: Report = lambda _state, _previous, _detail: None,
        refused: str = "",
        wanted: bool = True,
        spot_check: int = SPOT_CHECK,
        back_off: RationedBackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin on the CPU.

        Args:
            cpu: always there; closed with this engine.
            open_accelerated: called on a thread of its own. Its engine is over
                after a DelegateError, and is then closed.
            tolerance: how far an output may be from the CPU's.
            hop_s: from one window to the next; longer than that none may take for
                long.
            report: hears of every change, on the engine's thread.
            refused: why it is known already that the accelerator will not open.
            wanted: whether the CPU is second best from the start, or only once
                an accelerator has been found better.
            spot_check: windows on the accelerator from one check to the next.
            back_off: when to open again.
            clock: seconds, monotonic.
        """
        self.delegate = cpu.delegate
        """What answered the last call."""
        self._cpu = cpu
        self._open_accelerated = open_accelerated
        self._tolerance = tolerance
        self._hop_s = hop_s
        self._report = report
        self._wanted = wanted
        self._spot_check = spot_check
        self._back_off = back_off or RationedBackOff()
        self._clock = clock
        self._accelerated: Engine | None = None
        self._opening: Future[Opened] | None = None
        self._given_up = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="accelerator")
        self._recent = Recent()
        self._unchecked = 0
        self._late_s = 0.0
        self._worked = self._settled = False
        self._state, self._why = "", "the accelerator is not open yet"
        if refused:
            self._change("refused", refused)

    @property
    def degraded(self) -> bool:
        """Whether the CPU does the accelerator's work."""
        return self._wanted and self._accelerated is None

    @property
    def why(self) -> str:
        """Why the CPU does the work, or empty."""
        return self._why if self.degraded else ""

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs), n >= 1, on what works."""
        self._promote()
        if self._accelerated is not None:
            try:
                done = self._checked(self._accelerated, features)
            except DelegateError as err:
                # A process that has to end may take its time.
                self._thread.submit(self._accelerated.close)
                self._accelerated = None
                self._failed(str(err))
            else:
                self.delegate = self._accelerated.delegate
                return done
        done = self._cpu.infer(features)
        self.delegate = self._cpu.delegate
        if not self._settled:
            self._recent.add(features, done.outputs)
            self._reopen()
        return done

    def close(self) -> None:
        """Give up an opening, wait for its thread, close both engines."""
        self._given_up.set()
        self._thread.shutdown()
        opening, self._opening = self._opening, None
        if opening is not None and opening.exception() is None:
            self._accelerated = opening.result().engine
        if self._accelerated is not None:
            self._accelerated.close()
        self._cpu.close()

    def _checked(self, engine: Engine, features: Float32) -> Inference:
        """Run the accelerator, and now and then its last window on the CPU too."""
        begun_s = self._clock()
        done = engine.infer(features)
        took_s = self._clock() - begun_s
        self._late_s = max(0.0, self._late_s + took_s - len(features) * self._hop_s)
        if self._late_s > LATE_S:
            raise self._too_slow(engine, took_s / len(features))
        self._unchecked += len(features)
        if self._unchecked >= self._spot_check:
            self._unchecked = 0
            wanted = self._cpu.infer(features[-1:]).outputs
            if why := self._tolerance.why_not(done.outputs[-1:], wanted):
                raise DelegateError(f"{engine.delegate}: {why}", CURE)
        return done

    def _reopen(self) -> None:
        """Begin an opening when it is due and there are windows to compare."""
        now_s = self._clock()
        if self._opening or now_s < self._back_off.due_s or not self._recent.enough:
            return
        if not self._state:
            self._change("opening", "")
        self._back_off.opening(now_s)
        self._opening = self._thread.submit(self._open_checked, self._recent.taken())

    def _promote(self) -> None:
        """Take what an opening has come to, if it is over."""
        if self._opening is None or not self._opening.done():
            return
        opening, self._opening = self._opening, None
        try:
            opened = opening.result()
        except SensormlError as err:
            self._failed(str(err))
            return
        self._accelerated = opened.engine
        self._unchecked, self._late_s = 0, 0.0
        if opened.engine is None:
            self._settled, self._wanted = True, False
            self._change("cpu", opened.detail)
        else:
            self._wanted = self._worked = True
            self._back_off.working(self._clock())
            detail = opened.detail or f"{opened.engine.delegate} agrees with the CPU"
            self._change("accelerated", detail)

    def _failed(self, why: str) -> None:
        now_s = self._clock()
        self._back_off.failed(now_s)
        self._change("degraded" if self._worked else "refused", why)
        wait_s = self._back_off.due_s - now_s
        log.info("the CPU goes on; next try of the accelerator in %.0f s", wait_s)

    def _change(self, state: str, why: str) -> None:
        """Report what has changed, once; the first reason has nothing before it."""
        if (state, why) != (self._state, self._why):
            self._report(state, self._state if state != self._state else "", why)
        self._state = state
        self._why = why or self._why

    def _open_checked(self, windows: Windows) -> Opened:
        """Open the accelerator and hold it against the CPU; on the thread."""
        opened = self._open_accelerated(windows, self._given_up)
        engine = opened.engine
        if engine is not None:
            try:
                took_s = self._tolerance.check(engine, windows, self._clock)
                if took_s > self._hop_s:
                    raise self._too_slow(engine, took_s)
            except SensormlError:
                engine.close()
                raise
        return opened

    def _too_slow(self, engine: Engine, took_s: float) -> DelegateError:
        return DelegateError(
            f"{engine.delegate}: a window takes {took_s * 1e3:.1f} ms on it, and a new "
            f"one comes every {self._hop_s * 1e3:g} ms",
            'train the model with a larger hop, or write delegate = "cpu"',
        )
