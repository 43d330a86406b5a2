"""Fail-over from an accelerator to the CPU and back.

Every window is scored at once: by the accelerator while it works, otherwise by
the CPU. A delegate that failed is opened again on a separate thread, at growing
intervals, and is used again once it agrees with the CPU on real windows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from sensorml.backoff import RationedBackOff
from sensorml.delegates.qualification import ReportState
from sensorml.delegates.tolerance import RecentWindows, Tolerance, Windows
from sensorml.errors import DelegateError, SensormlError
from sensorml.interfaces import Engine, Inference
from sensorml.types import Float32

SPOT_CHECK: Final = 1000
"""One of so many windows on the accelerator also runs on the CPU."""
LATE_S: Final = 1.0
"""An accelerator that has fallen this far behind the windows is closed."""

log = logging.getLogger("sensorml")


class Opened(NamedTuple):
    """The result of an opening."""

    engine: Engine | None
    """None if the CPU is faster; the accelerator is then not opened again."""
    detail: str = ""


Opening = Callable[[Windows, threading.Event], Opened]
"""Opens the accelerated engine, given windows that the CPU has scored; stops soon
when the event is set."""


class FailoverEngine:
    """Two engines for one model: an accelerator while it works, otherwise the CPU.

    `infer` waits for an accelerator no longer than that engine's own deadline;
    the window that it held then is scored on the CPU. Reported states: opening,
    refused (has not worked yet), accelerated, degraded (worked and failed), cpu
    (the CPU is faster).
    """

    def __init__(
        self,
        cpu: Engine,
        open_accelerated: Opening,
        *,
        tolerance: Tolerance,
        hop_s: float,
        report: ReportState = lambda _state, _previous, _detail: None,
        refused: str = "",
        required: bool = True,
        spot_check: int = SPOT_CHECK,
        back_off: RationedBackOff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start on the CPU.

        Args:
            cpu: the CPU's engine; closed with this one.
            open_accelerated: called on a separate thread. Its engine is closed
                after a DelegateError.
            tolerance: the allowed difference of an output from the CPU's.
            hop_s: from one window to the next; the accelerator must not take
                longer for a window for long.
            report: called with every change of state, on the engine's thread.
            refused: why the accelerator cannot be opened now, if a check failed.
            required: whether running on the CPU counts as degraded from the start,
                or only once an accelerator has been found faster.
            spot_check: windows on the accelerator from one check to the next.
            back_off: when to open again.
            clock: seconds, monotonic.
        """
        self.delegate = cpu.delegate
        """The delegate that scored the last window."""
        self._cpu = cpu
        self._open_accelerated = open_accelerated
        self._tolerance = tolerance
        self._hop_s = hop_s
        self._report = report
        self._required = required
        self._spot_check = spot_check
        self._back_off = back_off or RationedBackOff()
        self._clock = clock
        self._accelerated: Engine | None = None
        self._opening: Future[Opened] | None = None
        self._cancel = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="accelerator")
        self._recent = RecentWindows()
        self._unchecked = 0
        self._late_s = 0.0
        self._worked = self._settled = False
        self._state, self._why = "", "the accelerator is not open yet"
        if refused:
            self._change("refused", refused)

    @property
    def degraded(self) -> bool:
        """Return whether the CPU replaces the accelerator."""
        return self._required and self._accelerated is None

    @property
    def why(self) -> str:
        """The reason why the CPU replaces the accelerator, or empty."""
        return self._why if self.degraded else ""

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs), n >= 1."""
        self._promote()
        if self._accelerated is not None:
            try:
                done = self._checked(self._accelerated, features)
            except DelegateError as err:
                # Its process may take seconds to end.
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
        """Cancel an opening, wait for its thread, close both engines."""
        self._cancel.set()
        self._thread.shutdown()
        opening, self._opening = self._opening, None
        if opening is not None and opening.exception() is None:
            self._accelerated = opening.result().engine
        if self._accelerated is not None:
            self._accelerated.close()
        self._cpu.close()

    def _checked(self, engine: Engine, features: Float32) -> Inference:
        """Run the accelerator, and its last window also on the CPU when it is due."""
        start_s = self._clock()
        done = engine.infer(features)
        took_s = self._clock() - start_s
        self._late_s = max(0.0, self._late_s + took_s - len(features) * self._hop_s)
        if self._late_s > LATE_S:
            raise self._too_slow(engine, took_s / len(features))
        self._unchecked += len(features)
        if self._unchecked >= self._spot_check:
            self._unchecked = 0
            expected = self._cpu.infer(features[-1:]).outputs
            if reason := self._tolerance.why_not(done.outputs[-1:], expected):
                raise DelegateError(f"{engine.delegate}: {reason.what}", reason.cure)
        return done

    def _reopen(self) -> None:
        """Start an opening when it is due and there are windows to compare."""
        now_s = self._clock()
        if self._opening or now_s < self._back_off.due_s or not self._recent.enough:
            return
        if not self._state:
            self._change("opening", "")
        self._back_off.opening(now_s)
        self._opening = self._thread.submit(self._open_checked, self._recent.joined())

    def _promote(self) -> None:
        """Take the result of an opening, if it is done."""
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
            self._settled, self._required = True, False
            self._change("cpu", opened.detail)
        else:
            self._required = self._worked = True
            self._back_off.working(self._clock())
            detail = opened.detail or f"{opened.engine.delegate} agrees with the CPU"
            self._change("accelerated", detail)

    def _failed(self, why: str) -> None:
        now_s = self._clock()
        self._back_off.failed(now_s)
        self._change("degraded" if self._worked else "refused", why)
        wait_s = self._back_off.due_s - now_s
        log.info("running on the CPU, opening the accelerator in %.0f s", wait_s)

    def _change(self, state: str, why: str) -> None:
        """Report a change of state or reason; `previous` is empty for a new reason."""
        if (state, why) != (self._state, self._why):
            self._report(state, self._state if state != self._state else "", why)
        self._state = state
        self._why = why or self._why

    def _open_checked(self, windows: Windows) -> Opened:
        """Open the accelerator and compare it with the CPU; on the thread."""
        opened = self._open_accelerated(windows, self._cancel)
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
            f"{engine.delegate}: a window takes {took_s * 1e3:.1f} ms, and there is a "
            f"new one every {self._hop_s * 1e3:g} ms",
            'train the model with a larger hop, or write delegate = "cpu"',
        )
