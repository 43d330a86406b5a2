"""The judgement of one window: normal, anomaly, unknown or another mounting."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from support import card

from sensorml.pipeline.judge import Judge, tilt_deg
from sensorml.pipeline.model_card import Baseline
from sensorml.types import State

UP = Baseline(gravity=(0.0, 0.0, 1.0), max_tilt_deg=5.0)


def test_only_a_score_over_the_threshold_is_an_anomaly() -> None:
    judge = Judge(card())
    assert judge.state(1.0, [0.0], 0.0) == (State.NORMAL, "")
    assert judge.state(math.nextafter(1.0, 2), [0.0], 0.0) == (State.ANOMALY, "")


def test_a_clipped_window_is_never_normal() -> None:
    judge = Judge(card(max_clipped=0.1))
    assert judge.state(0.0, [0.0], 0.1)[0] is State.NORMAL
    state, reason = judge.state(0.0, [0.0], 0.25)
    assert state is State.UNKNOWN
    assert "25% of the samples are at full scale" in reason


def test_a_clipped_window_can_be_an_anomaly() -> None:
    assert Judge(card()).state(2.0, [0.0], 1.0)[0] is State.ANOMALY


def test_a_score_that_is_not_a_number_is_never_normal() -> None:
    state, reason = Judge(card()).state(math.nan, [0.0], 0.0)
    assert state is State.UNKNOWN
    assert "not a number" in reason


def test_a_tilted_sensor_is_neither_normal_nor_an_anomaly() -> None:
    judge = Judge(card(channels=3, baseline=UP))
    for score in (0.0, 5.0):
        state, reason = judge.state(score, [0.0, 0.5, 0.5], 0.0)
        assert state is State.BASELINE_MISMATCH
        assert "tilted by 45°" in reason


@given(st.floats(0, 180).filter(lambda deg: abs(deg - 5) > 0.01), st.floats(0.1, 20))
def test_a_tilt_of_more_than_five_degrees_is_a_mismatch(deg, size) -> None:
    means = [
        0.0,
        size * math.sin(math.radians(deg)),
        size * math.cos(math.radians(deg)),
    ]
    state, _ = Judge(card(channels=3, baseline=UP)).state(0.0, means, 0.0)
    assert (state is State.BASELINE_MISMATCH) == (deg > 5)


def test_without_a_baseline_every_mounting_is_normal() -> None:
    assert Judge(card(channels=3)).state(0.0, [0, -1, 0], 0.0)[0] is State.NORMAL


def test_without_gravity_there_is_no_tilt() -> None:
    judge = Judge(card(channels=3, baseline=UP))
    assert judge.state(0.0, [0.0, 0.0, 0.0], 0.0)[0] is State.NORMAL
    assert tilt_deg((0, 0, 0), (0, 0, 1)) == 0
