"""How a sensor is, as a state machine. Pure: time comes in with each call."""

from __future__ import annotations

import errno
from typing import Final

from sensorml.errors import SensorError, SensormlError
from sensorml.types import Block, Change, SensorState

_BLIND: Final = frozenset(
    {
        SensorState.STALE,
        SensorState.FROZEN,
        SensorState.ABSENT,
        SensorState.WRONG_CHIP,
        SensorState.DENIED,
        SensorState.ENDED,
    }
)

_PASSING: Final = frozenset({SensorState.OVERRUN, SensorState.CLIPPED})
SETTLE_NS: Final = 1_000_000_000
"""So long without another and an overrun or clipping is over."""


class SensorHealth:
    """One sensor's state; every method returns the change that it made.

    It also counts what people ask for first: rows, missed, clipped.
    """

    def __init__(self, name: str, *, stale_after_s: float) -> None:
        self.name = name
        self.state = SensorState.STARTING
        self.reason = ""
        self.rows = 0
        self.missed = 0
        self.clipped = 0
        self.failures = 0
        self.rate_hz = 0.0
        self._stale_after_ns = round(stale_after_s * 1e9)
        self._alive_ns: int | None = None
        self._troubled_ns = 0

    @property
    def blind(self) -> bool:
        """Whether alarms on this sensor cannot see."""
        return self.state in _BLIND

    def started(self, now_ns: int) -> Change | None:
        """The driver runs; from now on silence counts."""
        self._alive_ns = now_ns
        return None

    def block(self, now_ns: int, block: Block, *, frozen: bool | None) -> Change | None:
        """A block came.

        Args:
            now_ns: when it was read.
            block: it.
            frozen: whether the window it completed shows a sensor that repeats
                itself; None when it completed none.
        """
        self._alive_ns = now_ns
        rows, clipped = len(block.samples), len(block.clipped)
        self.rows += rows
        self.missed += block.missed
        self.clipped += clipped
        self.rate_hz = block.rate_hz
        if frozen or (frozen is None and self.state is SensorState.FROZEN):
            state = SensorState.FROZEN
            reason = "it repeats the same sample: power-cycle the sensor"
        elif block.missed:
            state, reason = SensorState.OVERRUN, f"{block.missed} samples were lost"
        elif clipped * 10 > rows:
            state = SensorState.CLIPPED
            reason = f"{clipped} of {rows} samples at full scale: use a larger range"
        elif now_ns - self._troubled_ns < SETTLE_NS and self.state in _PASSING:
            return None
        else:
            return self._to(SensorState.OK, now_ns, "")
        self._troubled_ns = now_ns
        return self._to(state, now_ns, reason)

    def failure(self, now_ns: int, error: SensormlError) -> Change | None:
        """The driver could not start or read."""
        self.failures += 1
        denied = getattr(error, "errno", None) in {errno.EACCES, errno.EPERM}
        state = SensorState.DENIED if denied else SensorState.ABSENT
        if isinstance(error, SensorError):
            state = SensorState.WRONG_CHIP if self.rows == 0 else SensorState.ABSENT
        return self._to(state, now_ns, str(error))

    def ended(self, now_ns: int) -> Change | None:
        """A recording has no more rows."""
        return self._to(SensorState.ENDED, now_ns, "the recording has ended")

    def tick(self, now_ns: int) -> Change | None:
        """Time passes: silence makes a sensor stale."""
        if self._alive_ns is None or self.state is SensorState.ENDED or self.blind:
            return None
        silent_ns = now_ns - self._alive_ns
        if silent_ns <= self._stale_after_ns:
            return None
        return self._to(
            SensorState.STALE, now_ns, f"no sample for {silent_ns / 1e9:.1f} s"
        )

    def _to(self, state: SensorState, now_ns: int, reason: str) -> Change | None:
        before, self.state, self.reason = self.state, state, reason
        return None if state is before else Change(now_ns, before, state, reason)
