"""A score on a meter."""

from __future__ import annotations

import math

import pytest

from sensorml.alarms.meter import MeterOutput, duty, frequency_hz
from sensorml.config.tables import Meter
from sensorml.errors import BusError
from sensorml.storage.outbox import Outbox


class FakePwm:
    """A line that records its duty cycles and can fail."""

    def __init__(self) -> None:
        self.duties: list[float] = []
        self.failing = False

    def set(self, duty: float) -> None:
        if self.failing:
            raise BusError("GPIO 18: no access")
        self.duties.append(duty)


def meter(**keys: object) -> Meter:
    return Meter(name="needle", model="wear", gpio=18, **keys)


def output(
    line: FakePwm, outbox: Outbox | None = None, *, threshold: float = 1.0, **keys
) -> MeterOutput:
    outbox = outbox or Outbox(urgent=lambda: None)
    return MeterOutput(meter(**keys), line, threshold, outbox)


@pytest.mark.parametrize(
    ("score", "pwm", "servo_ms"),
    [
        (0.0, 0.0, 1.0),
        (1.0, 0.5, 1.5),
        (2.0, 1.0, 2.0),
        (7.0, 1.0, 2.0),
        (-1.0, 0.0, 1.0),
        (math.inf, 1.0, 2.0),
        (math.nan, 0.0, 1.0),
    ],
)
def test_a_meter_stays_on_its_scale(score, pwm, servo_ms) -> None:
    assert duty(meter(), score, 2.0) == pwm
    assert duty(meter(kind="servo"), score, 2.0) * 20 == pytest.approx(servo_ms)


def test_a_servo_may_turn_the_other_way() -> None:
    servo = meter(kind="servo", pulse_ms=(2.0, 1.0))
    assert duty(servo, 2.0, 2.0) * 20 == pytest.approx(1.0)


def test_a_servo_has_its_own_frequency() -> None:
    assert frequency_hz(meter(frequency_hz=200.0)) == 200.0
    assert frequency_hz(meter(kind="servo", frequency_hz=200.0)) == 50.0


@pytest.mark.parametrize(("full_scale", "shown"), [(None, 0.5), (8.0, 0.25)])
def test_full_scale_is_twice_the_threshold_by_default(full_scale, shown) -> None:
    line = FakePwm()
    output(line, full_scale=full_scale, threshold=2.0).show(2.0)
    assert line.duties == [shown]


def test_a_line_is_only_set_to_a_new_duty_cycle() -> None:
    line = FakePwm()
    needle = output(line)
    for score in (1.0, 1.0, 9.0, 8.0, math.nan, math.nan):
        needle.show(score)
    assert line.duties == [0.5, 1.0, 0.0]


def test_a_failure_is_reported_and_the_next_score_is_shown_again() -> None:
    line = FakePwm()
    needle = output(line)
    needle.show(1.0)
    line.failing = True
    needle.show(2.0)
    line.failing = False
    needle.show(1.0)
    assert line.duties == [0.5, 0.5]
