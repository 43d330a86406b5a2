"""The pattern of an alarm on its line: a level, blinking, or one pulse. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sensorml.config.tables import Alarm


class Step(NamedTuple):
    """A level, and the time until which it holds."""

    on: bool
    until_ns: int | None
    """Counted from the start of the alarm; None: until the alarm is over."""


class Pattern(NamedTuple):
    """The levels of a line from the start of its alarm."""

    on_ns: int | None = None
    """None: on until the alarm is over."""
    off_ns: int | None = None
    """Off after that, and then on again; None: off until the alarm is over."""

    @property
    def changes(self) -> bool:
        """Return whether the line changes by itself."""
        return self.on_ns is not None

    def at(self, since_ns: int) -> Step:
        """Return the level at a time after the start of the alarm.

        >>> Pattern(on_ns=2, off_ns=3).at(6)
        Step(on=True, until_ns=7)
        >>> Pattern(on_ns=2).at(6)
        Step(on=False, until_ns=None)
        """
        if self.on_ns is None:
            return Step(True, None)
        if self.off_ns is None:
            on = since_ns < self.on_ns
            return Step(on, self.on_ns if on else None)
        within_ns = since_ns % (self.on_ns + self.off_ns)
        cycle_ns = since_ns - within_ns
        if within_ns < self.on_ns:
            return Step(True, cycle_ns + self.on_ns)
        return Step(False, cycle_ns + self.on_ns + self.off_ns)


def pattern_of(rule: Alarm) -> Pattern:
    """Return the pattern that an alarm's configuration asks for."""
    if rule.pattern == "blink":
        on_s, off_s = rule.blink_s
        return Pattern(round(on_s * 1e9), round(off_s * 1e9))
    if rule.pattern == "pulse":
        return Pattern(round(rule.pulse_s * 1e9))
    return Pattern()
