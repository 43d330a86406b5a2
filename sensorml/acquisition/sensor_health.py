"""The state of a sensor, its counts, and the events that report its changes.

Pure: the time comes in with each call.
"""

from __future__ import annotations

import errno
from operator import sub
from typing import Final, NamedTuple

from sensorml.errors import BusReason, SensorError, SensormlError, UnsettledError
from sensorml.interfaces import Cures
from sensorml.storage.change_limit import ChangeLimit, Report
from sensorml.storage.rows import SensorRow
from sensorml.types import Block, Change, SensorState

_CURES: Final = Cures()


_BLIND: Final = frozenset(
    {
        SensorState.STALE,
        SensorState.FROZEN,
        SensorState.DISTURBED,
        SensorState.ABSENT,
        SensorState.WRONG_CHIP,
        SensorState.DENIED,
        SensorState.ENDED,
    }
)
_AWAY: Final = frozenset(
    {
        SensorState.STARTING,
        SensorState.DISTURBED,
        SensorState.ABSENT,
        SensorState.WRONG_CHIP,
        SensorState.DENIED,
    }
)
"""States without rows: those that are missing then were not lost by a FIFO."""
_PASSING: Final = frozenset({SensorState.OVERRUN, SensorState.CLIPPED})

SETTLE_NS: Final = 1_000_000_000
"""An overrun or clipping is over after so long without another."""


class PendingEvent(NamedTuple):
    """A change of a sensor's state that is to be written to the journal."""

    at_ns: int
    state: SensorState
    previous: str
    """The state that was reported last."""
    detail: str
    lost: int
    """Rows missed since the last report."""


class SensorHealth:
    """One sensor's state and its counts; methods return the change that they cause."""

    def __init__(
        self, name: str, *, stale_after_s: float, cures: Cures = _CURES
    ) -> None:
        self.name = name
        self.state = SensorState.STARTING
        self.reason = ""
        self.rows = 0
        self.missed = 0
        self.overruns = 0
        """Losses of rows while the sensor ran: its FIFO overflowed, or its blocks
        were not handled in time."""
        self.duplicated = 0
        self.clipped = 0
        self.failures = 0
        """Failures to start or read it; it was started again after each."""
        self.rate_hz = 0.0
        self._stale_after_ns = round(stale_after_s * 1e9)
        self._cures = cures
        self._alive_ns: int | None = None
        self._warning = ""
        self._faulty_ns = 0
        self._cause: object = None
        self._since_ns = 0
        self._limit = ChangeLimit(self.state)
        self._reported_missed = 0
        self._in_rows = self._totals()
        self._jitter_ns = 0

    @property
    def blind(self) -> bool:
        """True while alarms on this sensor have no valid rows to judge."""
        return self.state in _BLIND

    def started(self, now_ns: int, warning: str = "") -> bool:
        """Note that the driver runs, from which time on silence counts.

        Returns:
            Whether there is a warning, and another one than last time.
        """
        self._alive_ns = now_ns
        previous, self._warning = self._warning, warning
        return bool(warning) and warning != previous

    def block(self, now_ns: int, block: Block, *, frozen: bool | None) -> Change | None:
        """Take in a block.

        Args:
            now_ns: when it was read.
            block: the rows.
            frozen: whether the window it completed shows a sensor that repeats
                itself; None when it completed none, and one may follow.
        """
        self._alive_ns = now_ns
        rows, clipped = len(block.samples), len(block.clipped)
        fault = block.rate_fault
        overrun = block.missed > 0 and self.state not in _AWAY and fault is None
        self.rows += rows
        self.missed += block.missed
        self.overruns += overrun
        self.duplicated += block.duplicated
        self.clipped += clipped
        self.rate_hz = block.rate_hz
        self._jitter_ns = max(self._jitter_ns, abs(block.jitter_ns))
        if (
            block.frozen
            or frozen
            or (frozen is None and self.state is SensorState.FROZEN)
        ):
            state = SensorState.FROZEN
            reason = f"it repeats the same sample: {self._cures.frozen}"
        elif fault is not None:
            state = SensorState.OFF_RATE
            reason = f"{fault}: {self._cures.off_rate}"
        elif overrun:
            state = SensorState.OVERRUN
            reason = f"{_lost(block.missed)}: {self._cures.overrun}"
        elif clipped * 10 > rows:
            state = SensorState.CLIPPED
            reason = f"{clipped} of {rows} samples at full scale: use a larger range"
        elif now_ns - self._faulty_ns < SETTLE_NS and self.state in _PASSING:
            return None
        else:
            return self._to(SensorState.OK, now_ns, "")
        self._faulty_ns = now_ns
        return self._to(state, now_ns, reason)

    def failure(self, now_ns: int, error: SensormlError) -> Change | None:
        """Take in that the driver could not start or read.

        The same failure again is no change; another kind of failure is one, even if
        the state stays.
        """
        self.failures += 1
        number = getattr(error, "errno", None)
        state = SensorState.ABSENT
        if number in {errno.EACCES, errno.EPERM}:
            state = SensorState.DENIED
        elif isinstance(error, SensorError) and self.rows == 0:
            state = SensorState.WRONG_CHIP
        kind = getattr(error, "reason", BusReason.OTHER)
        cause = number if kind is BusReason.OTHER else kind
        return self._to(state, now_ns, str(error), (type(error), cause))

    def unsettled(self, now_ns: int, error: UnsettledError) -> Change | None:
        """Take in that a line has no level; its driver goes on to look at it."""
        return self._to(SensorState.DISTURBED, now_ns, str(error))

    def ended(self, now_ns: int) -> Change | None:
        """Take in that a recording has no more rows."""
        return self._to(SensorState.ENDED, now_ns, "the recording has ended")

    def tick(self, now_ns: int) -> Change | None:
        """Take in the time: silence makes a sensor stale."""
        if self._alive_ns is None or self.state is SensorState.ENDED or self.blind:
            return None
        silent_ns = now_ns - self._alive_ns
        if silent_ns <= self._stale_after_ns:
            return None
        return self._to(
            SensorState.STALE,
            now_ns,
            f"no sample for {silent_ns / 1e9:.1f} s: {self._cures.stale}, or raise "
            "stale_after_s if it may be silent for so long",
        )

    def pending_event(self, now_ns: int) -> PendingEvent | None:
        """Return the event that is to be written now, if there is one.

        Call it after every change and every tick. Changes that follow one another
        too fast are reported together, later, as the last state.
        """
        report = self._limit.due(self.state, now_ns)
        return None if report is None else self._event(report)

    def last_event(self) -> PendingEvent | None:
        """Return the event of the changes that are not yet reported, at the end."""
        report = self._limit.rest(self.state)
        return None if report is None else self._event(report)

    def _event(self, report: Report) -> PendingEvent:
        lost = self.missed - self._reported_missed
        self._reported_missed = self.missed
        detail = report.reason(self.reason)
        return PendingEvent(self._since_ns, self.state, report.previous, detail, lost)

    def row(self, start_ns: int, end_ns: int) -> SensorRow:
        """Make a `sensor` row of what happened since the last one.

        The state is that at the end, the rate the last one measured (NaN if no
        row came), the jitter the largest of any block: a mean would hide the
        one read that came late.
        """
        totals = self._totals()
        rows, missed, overrun, duplicated, clipped, failures = map(
            sub, totals, self._in_rows
        )
        row = SensorRow(
            start_ns=start_ns,
            time_ns=end_ns,
            sensor=self.name,
            state=self.state.value,
            rate_hz=self.rate_hz if rows else float("nan"),
            rows=rows,
            missed=missed,
            overrun=overrun,
            duplicated=duplicated,
            clipped=clipped,
            jitter_ns=self._jitter_ns,
            failures=failures,
        )
        self._in_rows, self._jitter_ns = totals, 0
        return row

    def _totals(self) -> tuple[int, ...]:
        return (
            *(self.rows, self.missed, self.overruns),
            *(self.duplicated, self.clipped, self.failures),
        )

    def _to(
        self, state: SensorState, now_ns: int, reason: str, cause: object = None
    ) -> Change | None:
        before, self.state, self.reason = self.state, state, reason
        previous, self._cause = self._cause, cause
        if (before, previous) == (state, cause):
            return None
        self._since_ns = now_ns
        self._limit.count()
        return Change(now_ns, before, state, reason)


def _lost(rows: int) -> str:
    return "1 sample was lost" if rows == 1 else f"{rows} samples were lost"
