"""The logic of an alarm, from votes to its state and its line's signal.

Pure: time comes in with each call. Two facts are kept apart: an alarm is on or
off by its votes, and it sees or is blind. A blind alarm has the state `unknown`,
so that a dead sensor is never taken for a healthy machine; an alarm that was on
is still on when it sees again.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from sensorml.config.tables import Alarm, When
from sensorml.types import AlarmState, Change, Prediction, State


class Vote(Enum):
    """The vote of one window, or of one value of a contact, on an alarm."""

    OVER = auto()
    """Over the threshold."""
    HOLD = auto()
    """Under the threshold, but not under clear_ratio × threshold."""
    CLEAR = auto()
    """Under clear_ratio × threshold."""
    BLIND = auto()
    """The window or the value could not be judged."""


def vote_of_window(rule: Alarm, window: Prediction) -> Vote:
    """Return the vote of a window."""
    if window.state is State.ANOMALY:
        return Vote.OVER
    if window.state is not State.NORMAL:
        return Vote.BLIND
    clear = window.score < rule.clear_ratio * window.threshold
    return Vote.CLEAR if clear else Vote.HOLD


def why_of_window(window: Prediction) -> str:
    """Return the reason for a window's vote, in words."""
    if window.reason:
        return window.reason
    over = "over" if window.state is State.ANOMALY else "under"
    return f"score {window.score:.3g} is {over} the threshold {window.threshold:.3g}"


def vote_of_value(when: When, value: float) -> Vote:
    """Return the vote of a contact's value."""
    met = (
        (when.equals is None or value == when.equals)
        and (when.above is None or value > when.above)
        and (when.below is None or value < when.below)
    )
    return Vote.OVER if met else Vote.CLEAR


class Signal(Enum):
    """The signal that an alarm's line shows."""

    OFF = auto()
    SAFE = auto()
    """On without a pattern: the alarm is blind and fails safe."""
    ALARM = auto()
    """On, by the alarm's pattern."""


class AlarmLogic:
    """One alarm: k-of-n, hysteresis, dwell, latch, acknowledge, blindness, arming.

    On when k of the last n votes are OVER. Off only after CLEAR votes alone
    for the dwell time and, when latched, after an acknowledgement. Blind when
    the BLIND ones among the last n votes could have made the difference: with
    them over, there would be k to come on; or k of them while it is on. Blind
    also from `blind()` until the next vote that sees; it begins blind.

    A disarmed alarm is off and counts no votes, but keeps whether it sees.
    """

    def __init__(self, rule: Alarm) -> None:
        self.rule = rule
        self.armed = True
        self.on = False
        self.seeing = False
        self._needed, n = rule.votes
        self._votes: deque[Vote] = deque(maxlen=n)
        self._dwell_ns = round(rule.dwell_s * 1e9)
        self._clear_since_ns: int | None = None
        self._acknowledged = False

    @property
    def state(self) -> AlarmState:
        if not self.armed:
            return AlarmState.DISARMED
        if not self.seeing:
            return AlarmState.UNKNOWN
        return AlarmState.ALARM if self.on else AlarmState.NORMAL

    @property
    def signal(self) -> Signal:
        """The signal of the line; a blind alarm that was on keeps it on."""
        if self.on:
            return Signal.ALARM
        fails_safe = self.armed and not self.seeing and self.rule.fail_safe == "on"
        return Signal.SAFE if fails_safe else Signal.OFF

    @property
    def output(self) -> bool:
        """Return whether the line is on, for either reason."""
        return self.signal is not Signal.OFF

    def vote(self, at_ns: int, vote: Vote, reason: str) -> Change | None:
        """Count one vote, whose last sample was taken at `at_ns`."""
        before = self.state
        if not self.armed:
            self.seeing = vote is not Vote.BLIND
            return None
        votes = self._votes
        votes.append(vote)
        over, blind = votes.count(Vote.OVER), votes.count(Vote.BLIND)
        if not self.on:
            if vote is Vote.OVER and over >= self._needed:
                self.on = True
                self._acknowledged = False
                self._clear_since_ns = None
        elif vote is not Vote.CLEAR:
            self._clear_since_ns = None
        else:
            if self._clear_since_ns is None:
                self._clear_since_ns = at_ns
            self._clear_if_due(at_ns)
        doubt = blind if self.on else blind + over
        clear_cut = not blind or doubt < self._needed
        self.seeing = clear_cut and (self.seeing or vote is not Vote.BLIND)
        return self._changed(before, at_ns, reason)

    def blind(self, at_ns: int, reason: str) -> Change | None:
        """Go blind and drop the earlier votes, because the sensor delivers nothing."""
        before = self.state
        self.seeing = False
        self._votes.clear()
        self._clear_since_ns = None
        return self._changed(before, at_ns, reason)

    def acknowledge(self, at_ns: int) -> Change | None:
        """Let a latched alarm clear from now on, because a person has seen it."""
        before = self.state
        self._acknowledged = True
        if self.on:
            self._clear_if_due(at_ns)
        return self._changed(before, at_ns, "acknowledged")

    def arm(self, at_ns: int, *, armed: bool) -> Change | None:
        """Arm or disarm; both end the alarm, a latched one too."""
        if armed is self.armed:
            return None
        before = self.state
        self.armed = armed
        self.on = False
        self._votes.clear()
        self._clear_since_ns = None
        return self._changed(before, at_ns, "armed" if armed else "disarmed")

    def _clear_if_due(self, at_ns: int) -> None:
        held = self.rule.latch and not self._acknowledged
        since_ns = self._clear_since_ns
        if since_ns is not None and at_ns - since_ns >= self._dwell_ns and not held:
            self.on = False
            self._votes.clear()

    def _changed(self, before: AlarmState, at_ns: int, reason: str) -> Change | None:
        after = self.state
        return None if after is before else Change(at_ns, before, after, reason)
