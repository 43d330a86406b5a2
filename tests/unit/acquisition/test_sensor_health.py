"""The health of a sensor: blocks, failures and silence."""

from __future__ import annotations

import errno
import math
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, block

from sensorml import plugins
from sensorml.acquisition.sensor_health import SETTLE_NS, SensorHealth
from sensorml.errors import BusError, BusReason, SensorError, UnsettledError
from sensorml.storage.change_limit import CHANGE_EVERY_NS, CHANGES_AT_ONCE
from sensorml.storage.tables import COLUMNS
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
    assert not health.started(NOW)
    change = health.block(NOW, block(ROWS), frozen=None)
    assert change == (NOW, "starting", "ok", "")
    assert health.block(NOW + 1, block(ROWS), frozen=None) is None


def test_silence_makes_it_stale_once() -> None:
    health = running()
    assert health.tick(NOW + 2 * SECOND) is None
    change = health.tick(NOW + 3 * SECOND)
    assert change is not None
    assert change.after is SensorState.STALE
    assert change.reason.startswith("no sample for 3.0 s: check the sensor")
    assert health.blind
    assert health.tick(NOW + 9 * SECOND) is None


def test_a_sensor_without_rows_after_its_start_is_stale() -> None:
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
        (BusError("no chip answers"), SensorState.ABSENT),
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


def test_a_line_without_a_level_is_disturbed_until_its_next_row() -> None:
    health = running()
    error = UnsettledError("GPIO 5 is disturbed", "check the wiring")
    change = health.unsettled(NOW, error)
    assert change == (NOW, "ok", "disturbed", "GPIO 5 is disturbed: check the wiring")
    assert health.blind
    assert health.unsettled(NOW + 1, error) is None
    assert health.tick(NOW + 90 * SECOND) is None, "it is not stale, too"
    change = health.block(NOW + 91 * SECOND, block(ROWS, missed=1800), frozen=None)
    assert change is not None
    assert (change.before, change.after) == ("disturbed", "ok")
    assert (health.missed, health.overruns, health.failures) == (1800, 0, 0)


def test_nonsense_from_a_chip_that_has_worked_is_no_wrong_chip() -> None:
    health = running()
    health.failure(NOW, SensorError("all bytes are 0xff"))
    assert health.state is SensorState.ABSENT


def test_a_sensor_that_answers_again_is_ok_again() -> None:
    health = running()
    health.failure(NOW, BusError("unplugged"))
    assert not health.started(NOW)
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
    assert change.after is SensorState.OVERRUN
    assert change.reason.startswith("7 samples were lost: lower rate_hz")
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


def test_it_counts_rows_and_has_the_measured_rate() -> None:
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


def test_what_was_missed_while_it_was_away_is_no_overrun() -> None:
    health = running()
    health.failure(NOW, BusError("unplugged"))
    change = health.block(NOW, block(ROWS, missed=700), frozen=None)
    assert change is not None
    assert change.after is SensorState.OK
    assert (health.missed, health.overruns) == (700, 0)


def test_rows_lost_after_a_silence_are_an_overrun() -> None:
    health = running()
    health.tick(NOW + 3 * SECOND)
    health.block(NOW + 4 * SECOND, block(ROWS, missed=3000), frozen=None)
    assert health.state is SensorState.OVERRUN
    assert health.overruns == 1


def test_one_reason_is_one_failure_whatever_the_number() -> None:
    health = SensorHealth("motor", stale_after_s=2.0)
    gone = BusReason.NO_ADAPTER
    assert health.failure(NOW, BusError(errno.ENODEV, "it went", reason=gone))
    assert not health.failure(NOW, BusError(errno.ENOENT, "it is away", reason=gone))
    held = BusReason.HELD
    assert health.failure(NOW, BusError(errno.EBUSY, "somebody else", reason=held))


def test_the_same_failure_again_is_no_change_and_another_kind_is_one() -> None:
    health = running()
    assert health.failure(NOW, BusError(errno.ENXIO, "nobody")) is not None
    assert health.failure(NOW, BusError(errno.ENXIO, "nobody, 2nd time")) is None
    change = health.failure(NOW, BusError(errno.EBUSY, "somebody else"))
    assert change == (NOW, "absent", "absent", "somebody else")
    assert health.failures == 3


def test_an_event_is_reported_once_with_the_rows_lost_since_the_last() -> None:
    health = running()
    assert health.pending_event(NOW) == (NOW, "ok", "starting", "", 0)
    assert health.pending_event(NOW) is None
    health.block(NOW + 1, block(ROWS, missed=7), frozen=None)
    event = health.pending_event(NOW + 1)
    assert (event.at_ns, event.state, event.previous) == (NOW + 1, "overrun", "ok")
    assert event.lost == 7
    health.block(NOW + 2, block(ROWS, missed=5), frozen=None)
    assert health.pending_event(NOW + 2) is None
    health.block(NOW + 2 * SETTLE_NS, block(ROWS), frozen=None)
    assert health.pending_event(NOW + 2 * SETTLE_NS) == (
        *(NOW + 2 * SETTLE_NS, "ok", "overrun", "", 5),
    )


def test_changes_that_come_too_fast_are_reported_together_and_late() -> None:
    health = running()
    times = [NOW + n for n in range(2 * CHANGES_AT_ONCE + 1)]
    told = []
    for i, now_ns in enumerate(times):
        if i % 2:
            health.block(now_ns, block(ROWS, missed=10), frozen=None)
        else:
            health.failure(now_ns, BusError("a loose wire"))
        told.append(health.pending_event(now_ns) is not None)
    assert told == [True] * CHANGES_AT_ONCE + [False] * (CHANGES_AT_ONCE + 1)
    event = health.pending_event(NOW + 2 * CHANGE_EVERY_NS)
    assert event is not None
    assert (event.at_ns, event.state) == (times[-1], SensorState.ABSENT)
    assert event.detail == (
        f"a loose wire; {CHANGES_AT_ONCE + 1} changes since the last event"
    )
    assert event.lost == 10 * CHANGES_AT_ONCE // 2


@given(
    st.lists(
        st.tuples(
            st.integers(1, 30 * SECOND), st.sampled_from(["rows", "hole", "gone"])
        ),
        max_size=200,
    )
)
def test_events_are_few_and_end_with_the_truth_whatever_happens(happenings) -> None:
    health, now_ns, told = sensor(), NOW, []
    for after_ns, what in [*happenings, (5 * CHANGE_EVERY_NS, "rows")]:
        now_ns += after_ns
        if what == "gone":
            health.failure(now_ns, BusError("a loose wire"))
        else:
            missed = 3 if what == "hole" else 0
            health.block(now_ns, block(ROWS, missed=missed), frozen=None)
        told.append(health.pending_event(now_ns))
    event = [each for each in told if each is not None]
    assert len(event) <= CHANGES_AT_ONCE + (now_ns - NOW) // CHANGE_EVERY_NS
    assert all(a.state is b.previous for a, b in pairwise(event))
    assert event[-1].state is health.state is SensorState.OK
    assert sum(each.lost for each in event) == health.missed


def test_a_row_counts_what_happened_since_the_last_one() -> None:
    health = running()
    health.block(
        NOW,
        replace(
            block(ROWS, missed=7, clipped=[1, 2], rate_hz=801.5),
            duplicated=3,
            jitter_ns=-9_000,
        ),
        frozen=None,
    )
    health.block(NOW, replace(block(ROWS, rate_hz=802), jitter_ns=4_000), frozen=None)
    row = dict(zip(COLUMNS["sensor"], health.row(1, 2), strict=True))
    assert row == {
        "start_ns": 1,
        "time_ns": 2,
        "sensor": "motor",
        "state": "overrun",
        "rate_hz": 802,
        "rows": 30,
        "missed": 7,
        "overrun": 1,
        "duplicated": 3,
        "clipped": 2,
        "jitter_ns": 9_000,
        "failures": 0,
    }
    health.failure(NOW, BusError("gone"))
    row = dict(zip(COLUMNS["sensor"], health.row(2, 3), strict=True))
    assert math.isnan(row.pop("rate_hz"))
    assert list(row.values()) == [2, 3, "motor", "absent", *[0] * 6, 1]


CURES = [
    ({"driver": "lm75"}, "raise the bus speed"),
    ({"driver": "adxl345", "bus": "spi0.0"}, "lower rate_hz or give the computer"),
    ({"driver": "ds18b20"}, "lower rate_hz or resolution_bits"),
    ({"driver": "gpio", "gpio": 5}, "give the computer less to do"),
    ({"driver": "mqtt", "topic": "t"}, "set rate_hz to the rate of the rows"),
    ({"driver": "command", "command": ["true"]}, "set rate_hz to the rate of the rows"),
    ({"driver": "thermal"}, "lower rate_hz or give the computer less to do"),
]


@pytest.mark.parametrize(("keys", "cure"), CURES)
def test_the_cure_of_lost_rows_fits_the_kind_of_sensor(keys, cure):
    keys = dict(keys)
    options = msgspec.convert(keys, plugins.driver(keys.pop("driver")).Options)
    health = SensorHealth("s", stale_after_s=2.0, cures=options.cures)
    health.block(0, block([[0.0]]), frozen=False)
    change = health.block(1, block([[0.0]], missed=2), frozen=False)
    assert cure in change.reason
    assert ("bus speed" in change.reason) == (options.thread.startswith("i2c-"))


def test_a_silent_program_is_not_told_to_check_its_wiring():
    options = plugins.driver("command").Options(command=("true",))
    health = SensorHealth("s", stale_after_s=2.0, cures=options.cures)
    health.started(0)
    assert "check the program, or raise" in health.tick(9 * SECOND).reason
