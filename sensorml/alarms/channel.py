"""One alarm: its logic, its output line, and the rows of its changes."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple, Protocol

from sensorml.alarms.line import LineHealth
from sensorml.alarms.logic import (
    AlarmLogic,
    Signal,
    Vote,
    vote_of_value,
    vote_of_window,
    why_of_window,
)
from sensorml.config.tables import Alarm
from sensorml.storage.change_limit import ChangeLimit, Report
from sensorml.storage.outbox import Outbox
from sensorml.types import Block, Change, Prediction


class SignalOutput(Protocol):
    """An alarm's output line."""

    def set(self, signal: Signal) -> None:
        """Show a signal; raise BusError if the line cannot be driven."""
        ...


class LastChange(NamedTuple):
    """The last change of an alarm, and the window that made it."""

    change: Change
    window: Prediction | None


class AlarmChannel:
    """One alarm, from votes to its line and its rows.

    Called on the engine's thread only. The line changes before a transition is
    written down, and follows every change; of an alarm that flaps, a dozen are written
    down one by one, and then one a minute.
    """

    def __init__(
        self,
        rule: Alarm,
        outbox: Outbox,
        *,
        sensor: str,
        line: SignalOutput | None = None,
    ) -> None:
        """Make a channel; it is blind until its first vote.

        Args:
            rule: the alarm's configuration.
            outbox: receives the transitions, and the failures of the line.
            sensor: the one whose windows or values vote.
            line: the output line, if the alarm has one.
        """
        self.name = rule.name
        self.sensor = sensor
        self.model = rule.model or ""
        """Empty for an alarm that follows a sensor's value."""
        self.logic = AlarmLogic(rule)
        self.reason = "no data yet"
        """The reason of the alarm's state, in words."""
        self._rule = rule
        self._line = line
        self._health = LineHealth(rule.name, outbox)
        self._shown: Signal | None = None  # None: nothing yet, or it failed
        self._outbox = outbox
        self._limit = ChangeLimit(self.logic.state)
        self._last: LastChange | None = None

    def judge(self, window: Prediction) -> None:
        """Count a window of the model as a vote."""
        reason = why_of_window(window)
        vote = vote_of_window(self._rule, window)
        change = self.logic.vote(window.end_ns, vote, reason)
        if not self.logic.seeing:
            self.reason = reason
        self._apply(change, window)

    def read(self, block: Block) -> None:
        """Count every row of the sensor's first channel as a vote."""
        when = self._rule.when
        assert when is not None  # noqa: S101 - checked by config.tables.Alarm
        period_ns = 1e9 / block.rate_hz
        for i, value in enumerate(block.samples[:, 0].tolist()):
            at_ns = block.start_ns + round(i * period_ns)
            blind = block.frozen or math.isnan(value)
            vote = Vote.BLIND if blind else vote_of_value(when, value)
            self._apply(self.logic.vote(at_ns, vote, f"the value is {value:g}"))

    def blind(self, at_ns: int, reason: str) -> None:
        """Go blind, because the sensor delivers nothing."""
        self._apply(self.logic.blind(at_ns, reason))

    def acknowledge(self, at_ns: int, by: str) -> None:
        """Let a latched alarm clear, and write down who has seen it."""
        self._apply(self.logic.acknowledge(at_ns))
        self._outbox.event(
            at_ns=at_ns,
            kind="alarm",
            subject=self.name,
            state="acknowledged",
            detail=f"by {by}" if by else "",
        )

    def arm(self, at_ns: int, *, armed: bool) -> None:
        """Arm or disarm the alarm."""
        self._apply(self.logic.arm(at_ns, armed=armed))

    def drive(self) -> None:
        """Bring the line to the alarm's signal; try again where it failed."""
        signal = self.logic.signal
        if self._line is not None and self._shown is not signal:
            driven = self._health.drive(partial(self._line.set, signal))
            self._shown = signal if driven else None

    def report(self, now_ns: int) -> None:
        """Write down the changes that were too many for a row each, if it is time."""
        self._write(self._limit.due(self.logic.state, now_ns))

    def report_rest(self) -> None:
        """Write down all changes that are not yet reported, at the end."""
        self._write(self._limit.rest(self.logic.state))

    def _apply(self, change: Change | None, window: Prediction | None = None) -> None:
        """Drive the line first, then write the transition down."""
        self.drive()
        if change is None:
            return
        self.reason = change.reason
        self._last = LastChange(change, window)
        self._limit.count()
        self.report(change.at_ns)

    def _write(self, report: Report | None) -> None:
        if report is None or self._last is None:
            return
        change, window = self._last
        self._outbox.alarm(
            change.at_ns,
            alarm=self.name,
            sensor=self.sensor,
            model=self.model,
            state=change.after,
            previous=report.previous,
            reason=report.reason(change.reason),
            score=window.score if window else None,
            threshold=window.threshold if window else None,
        )
