"""A model's score on a pointer: a moving-coil meter, or a servo."""

from __future__ import annotations

import math
from typing import Final, Protocol

from sensorml.config.tables import Meter

SERVO_HZ: Final = 50.0
"""What an analogue servo expects."""


class Pulses(Protocol):
    """A line with a duty cycle, as `buses.gpio` opens it."""

    def set(self, duty: float) -> None: ...


def frequency_hz(rule: Meter) -> float:
    return SERVO_HZ if rule.kind == "servo" else rule.frequency_hz


def duty(rule: Meter, score: float, full_scale: float) -> float:
    """Return the share of a period that the line is high, for a score.

    A score that is not a number is shown as 0 %.

    >>> meter = Meter(name="m", model="m", gpio=18)
    >>> duty(meter, 1.0, 4.0), duty(meter, 9.0, 4.0), duty(meter, math.nan, 4.0)
    (0.25, 1.0, 0.0)
    >>> duty(Meter(name="m", model="m", gpio=18, kind="servo"), 2.0, 4.0)
    0.075
    """
    share = 0.0 if math.isnan(score) else min(1.0, max(0.0, score / full_scale))
    if rule.kind == "pwm":
        return share
    low_ms, high_ms = rule.pulse_ms
    return (low_ms + share * (high_ms - low_ms)) * SERVO_HZ / 1000


class Pointer:
    """One meter's line; it follows the score that it is shown."""

    def __init__(self, rule: Meter, line: Pulses, threshold: float) -> None:
        self.name = rule.name
        self.line_state = "ok"
        self._rule = rule
        self._line = line
        self._full_scale = rule.full_scale or 2 * threshold
        self._duty: float | None = None

    def show(self, score: float) -> None:
        """Point at the score; NaN: there is none.

        Raises:
            BusError: the line cannot be driven.
        """
        new = duty(self._rule, score, self._full_scale)
        if new != self._duty:
            self._duty = None
            self._line.set(new)
            self._duty = new
