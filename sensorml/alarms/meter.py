"""A model's score on an analogue meter: a moving-coil instrument or a servo."""

from __future__ import annotations

import math
from functools import partial
from typing import Final, Protocol

from sensorml.alarms.line import LineHealth
from sensorml.config.tables import Meter
from sensorml.storage.outbox import Outbox

SERVO_HZ: Final = 50.0
"""The pulse rate that an analogue servo expects."""


class PwmOutput(Protocol):
    """A line with a duty cycle, as `gpio.lines` opens it."""

    def set(self, duty: float) -> None: ...


def frequency_hz(rule: Meter) -> float:
    """Return the pulse rate of a meter's line."""
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


class MeterOutput:
    """One meter's line; it follows the score of its model."""

    def __init__(
        self, rule: Meter, line: PwmOutput, threshold: float, outbox: Outbox
    ) -> None:
        """Make the output of a meter.

        Args:
            rule: the meter's configuration.
            line: its line.
            threshold: the model's, which is half of the scale by default.
            outbox: receives the failures of the line.
        """
        self._rule = rule
        self._line = line
        self._full_scale = rule.full_scale or 2 * threshold
        self._health = LineHealth(rule.name, outbox)
        self._duty: float | None = None  # None: nothing yet, or it failed

    def show(self, score: float) -> None:
        """Show a score; NaN, where there is none, as 0 %."""
        new = duty(self._rule, score, self._full_scale)
        if new != self._duty:
            driven = self._health.drive(partial(self._line.set, new))
            self._duty = new if driven else None
