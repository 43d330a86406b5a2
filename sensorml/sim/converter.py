"""The clock and the converter of a simulated chip."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.sim.machine import Machine

Int32: TypeAlias = NDArray[np.int32]
Push: TypeAlias = tuple[float, float, float]
"""The shift of the three axes in a self-test, in g."""

NO_PUSH: Push = (0.0, 0.0, 0.0)
_NONE = np.empty((0, 3), np.int32)


class Converter:
    """Samples the machine at the pace of the chip's own oscillator.

    A read makes the samples that are due. Of more than a FIFO can hold only the
    newest are made, so a chip that is not read for a day costs nothing.
    """

    def __init__(
        self, machine: Machine, clock: Callable[[], int], rate_error: float
    ) -> None:
        self.taken = 0
        """Samples since it was started, made or not."""
        self._machine = machine
        self._clock = clock
        self._rate_error = rate_error
        self.born_ns = clock()
        """The time at which the machine was switched on."""
        self._nominal_hz = 0.0
        self.rate_hz = 0.0
        """By the true clock: the rate it was started with, and its own error."""
        # The start of this rate, and the samples taken by then:
        self._since_ns = 0.0
        self._since = 0
        self._next_ns = math.inf
        self._last = np.zeros((1, 3))

    def start(self, rate_hz: float) -> None:
        """Begin at `rate_hz` by its own clock; the first sample a period later."""
        self._nominal_hz = rate_hz
        self.taken = 0
        self._run_on(self._clock())

    def stop(self) -> None:
        self._next_ns = math.inf

    def drift(self, rate_error: float) -> None:
        """Change the error of the oscillator, from the last sample taken on."""
        self._rate_error = rate_error
        if self._next_ns < math.inf:
            self._run_on(self._next_ns - 1e9 / self.rate_hz)

    def _run_on(self, since_ns: float) -> None:
        """Continue from `taken` samples at that time, at the oscillator's pace."""
        self._since_ns, self._since = since_ns, self.taken
        self.rate_hz = self._nominal_hz * (1 + self._rate_error)
        self._next_ns = since_ns + 1e9 / self.rate_hz

    def waiting(self) -> bool:
        """Return whether a sample is due."""
        return self._clock() >= self._next_ns

    def reaches_ns(self, more: int) -> int | None:
        """Return the time at which `more` further samples are taken; None: never."""
        if more <= 0 or self._next_ns == math.inf:
            return None
        last = self.taken + more
        return int(self.times_ns(last - 1, last)[0])

    def times_ns(self, first: int, last: int) -> NDArray[np.int64]:
        """Return when samples `first` to `last` - 1 are taken, by the clock."""
        periods = np.arange(first + 1, last + 1) - self._since
        at_ns = np.rint(periods * (1e9 / self.rate_hz) + self._since_ns)
        times: NDArray[np.int64] = at_ns.astype(np.int64)
        return times

    def due(
        self,
        depth: int,
        lsb_per_g: float,
        limit: int,
        *,
        frozen: bool,
        push_g: Push = NO_PUSH,
    ) -> Int32:
        """Return the newest of the samples that are waiting, counts (n, 3).

        Args:
            depth: The largest n; older samples are counted as taken, not made.
            lsb_per_g: Counts per g.
            limit: Counts are clipped to -limit … limit - 1.
            frozen: Repeat the last sample instead.
            push_g: The shift by a self-test.
        """
        elapsed_s = (self._clock() - self._since_ns) / 1e9
        last = self._since + int(elapsed_s * self.rate_hz)
        first = max(self.taken, last - depth)
        if last <= first:
            return _NONE
        self.taken = last
        self._next_ns = self._since_ns + (last + 1 - self._since) * 1e9 / self.rate_hz
        if frozen:
            values = np.repeat(self._last, last - first, axis=0)
        else:
            since_ns = self.times_ns(first, last) - self.born_ns
            values = self._machine.acceleration(since_ns / 1e9) + push_g
            self._last = values[-1:]
        counts = np.rint(values * lsb_per_g)
        return np.clip(counts, -limit, limit - 1).astype(np.int32)
