"""A sensor's health, told by blocks, failures and silence."""

from __future__ import annotations

import errno

import pytest
from support import SECOND, block

from sensorml.errors import BusError, SensorError
from sensorml.health import SETTLE_NS, SensorHealth
from sensorml.types import SensorState

ROWS = [0.0] * 10
NOW = 100 * SECOND


def sensor() -> SensorHealth:
    return SensorHealth("motor", stale_after_s=2.0)


def running() -> SensorHealth:
    health = sensor()
    health.started(NOW)
    health.block(NOW, block(ROWS), frozen=False)
    return health


def test_the_first_block_makes_it_ok() -> None:
    health = sensor()
    assert health.state is SensorState.STARTING
    assert health.started(NOW) is None
    change = health.block(NOW, block(ROWS), frozen=None)
    assert change == (NOW, "starting", "ok", "")
    assert health.block(NOW + 1, block(ROWS), frozen=None) is None


def test_silence_makes_it_stale_once() -> None:
    health = running()
    assert health.tick(NOW + 2 * SECOND) is None
    change = health.tick(NOW + 3 * SECOND)
    assert change is not None
    assert change.after is SensorState.STALE
    assert change.reason == "no sample for 3.0 s"
    assert health.blind
    assert health.tick(NOW + 9 * SECOND) is None


def test_a_sensor_that_started_and_says_nothing_is_stale() -> None:
    health = sensor()
    health.started(NOW)
    change = health.tick(NOW + 3 * SECOND)
    assert change is not None
    assert change.after is SensorState.STALE


def test_one_that_never_started_is_not_called_stale() -> None:
    assert sensor().tick(NOW) is None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BusError("nobody answers"), SensorState.ABSENT),
        (BusError(errno.EACCES, "no access"), SensorState.DENIED),
        (BusError(errno.EPERM, "not permitted"), SensorState.DENIED),
        (SensorError("identity 0x00"), SensorState.WRONG_CHIP),
    ],
)
def test_a_failure_is_called_by_its_cause_and_is_blind(error, state) -> None:
    health = sensor()
    change = health.failure(NOW, error)
    assert change is not None
    assert change.after is state
    assert change.reason == str(error)
    assert health.blind
    assert health.tick(NOW + 99 * SECOND) is None
    assert health.failures == 1


def test_nonsense_from_a_chip_that_has_worked_is_no_wrong_chip() -> None:
    health = running()
    health.failure(NOW, SensorError("all bytes are 0xff"))
    assert health.state is SensorState.ABSENT


def test_a_sensor_that_answers_again_is_ok_again() -> None:
    health = running()
    health.failure(NOW, BusError("unplugged"))
    assert health.started(NOW) is None
    assert health.blind
    change = health.block(NOW, block(ROWS), frozen=None)
    assert change is not None
    assert (change.before, change.after) == (SensorState.ABSENT, SensorState.OK)


def test_frozen_lasts_until_a_window_moves() -> None:
    health = running()
    health.block(NOW, block(ROWS), frozen=True)
    assert health.state is SensorState.FROZEN
    assert health.blind
    health.block(NOW, block(ROWS), frozen=None)
    assert health.state is SensorState.FROZEN
    health.block(NOW, block(ROWS), frozen=False)
    assert health.state is SensorState.OK


def test_an_overrun_is_shown_for_a_while_and_counted_for_ever() -> None:
    health = running()
    change = health.block(NOW, block(ROWS, missed=7), frozen=None)
    assert change is not None
    assert (change.after, change.reason) == (SensorState.OVERRUN, "7 samples were lost")
    assert not health.blind
    assert health.block(NOW + SETTLE_NS - 1, block(ROWS), frozen=None) is None
    assert health.state is SensorState.OVERRUN
    health.block(NOW + SETTLE_NS, block(ROWS), frozen=None)
    assert health.state is SensorState.OK
    assert health.missed == 7


def test_more_than_a_tenth_at_full_scale_is_clipped() -> None:
    health = running()
    assert health.block(NOW, block(ROWS, clipped=[3]), frozen=None) is None
    health.block(NOW, block(ROWS, clipped=[3, 4]), frozen=None)
    assert health.state is SensorState.CLIPPED
    assert "use a larger range" in health.reason
    assert not health.blind
    assert health.clipped == 3


def test_it_counts_rows_and_knows_the_measured_rate() -> None:
    health = running()
    health.block(NOW, block(ROWS, rate_hz=801.5), frozen=None)
    assert health.rows == 20
    assert health.rate_hz == 801.5


def test_an_ended_recording_is_never_stale() -> None:
    health = running()
    change = health.ended(NOW)
    assert change is not None
    assert change.after is SensorState.ENDED
    assert health.blind
    assert health.tick(NOW + 99 * SECOND) is None
