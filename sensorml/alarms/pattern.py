"""How an alarm shows on its line: still, blinking, or one pulse. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sensorml.config.tables import Alarm


class Step(NamedTuple):
    """A level, and for how long it holds."""

    on: bool
    until_ns: int | None
    """Since the alarm went on; None: for good."""


class Pattern(NamedTuple):
    """What the line does from the moment on at which its alarm goes on."""

    on_ns: int | None = None
    """None: on for good."""
    off_ns: int | None = None
    """Then off, and again from the beginning; None: off for good."""

    @property
    def changes(self) -> bool:
        """Whether somebody has to come back to the line."""
        return self.on_ns is not None

    def at(self, since_ns: int) -> Step:
        """Return the level that the line has so long after the alarm went on.

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
        begun_ns = since_ns - within_ns
        if within_ns < self.on_ns:
            return Step(True, begun_ns + self.on_ns)
        return Step(False, begun_ns + self.on_ns + self.off_ns)


def pattern_of(rule: Alarm) -> Pattern:
    if rule.pattern == "blink":
        on_s, off_s = rule.blink_s
        return Pattern(round(on_s * 1e9), round(off_s * 1e9))
    if rule.pattern == "pulse":
        return Pattern(round(rule.pulse_s * 1e9))
    return Pattern()
