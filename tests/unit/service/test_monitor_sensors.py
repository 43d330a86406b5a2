"""Sensors that are silent, absent, frozen or disturbed, and what their alarms show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor_bench import LOUD, QUIET, Bench
from support import MS, SECOND, Clock, block, card

from sensorml.acquisition.inbox import Reading, Started
from sensorml.errors import BusError, SensorError, SourceEndedError, UnsettledError
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import TICK_S
from sensorml.types import AlarmState, SensorState


@pytest.mark.parametrize("fail_safe", ["on", "off"])
def test_a_sensor_that_goes_silent_blinds_its_alarm_and_not_the_others(fail_safe):
    bench = Bench(fail_safe=fail_safe)
    bench.read("motor", QUIET)
    for _ in range(3):
        bench.clock.advance(1)
        bench.read("door", [0])
        bench.monitor.tick(bench.clock())
    assert bench.monitor.sensors["motor"].state is SensorState.STALE
    assert bench.bad.logic.state is AlarmState.UNKNOWN
    assert bench.bad_line.levels[-1] == (fail_safe == "on")
    assert bench.open.logic.state is AlarmState.NORMAL
    rows = bench.outbox.take()
    assert rows["alarm"][-1][1:7] == (
        "bad",
        "motor",
        "wear",
        "unknown",
        "normal",
        "motor is stale",
    )
    assert rows["event"][-1][1:5] == ("sensor", "motor", "stale", "ok")


def test_a_contact_that_went_away_is_not_taken_for_a_closed_door() -> None:
    bench = Bench()
    bench.read("door", [0])
    bench.put("door", BusError("no access"))
    assert bench.open.logic.state is AlarmState.UNKNOWN
    assert bench.open_line.levels == [False, True]
    assert bench.rows("alarm", "sensor", "model", "state")[-1] == (
        "door",
        "",
        "unknown",
    )


def test_a_disturbed_contact_makes_its_alarm_unknown() -> None:
    bench = Bench()
    bench.read("door", [0])
    for _ in range(20):
        bench.clock.advance(0.05)
        bench.put("door", UnsettledError("GPIO 5 is disturbed", "check the wiring"))
    assert bench.open.reason == "door is disturbed"
    assert bench.open_line.levels == [False, True]
    bench.read("door", [0])
    states = bench.rows("alarm", "previous", "state")
    assert states[1:] == [("normal", "unknown"), ("unknown", "normal")]


def test_an_alarm_that_was_on_stays_on_while_its_sensor_is_away() -> None:
    bench = Bench(clear_after_s=30.0)
    bench.read("motor", LOUD)
    bench.put("motor", BusError("no chip answers"))
    assert bench.bad.logic.state is AlarmState.UNKNOWN
    assert bench.bad_line.levels == [True]
    bench.read("motor", QUIET)
    assert bench.bad.logic.state is AlarmState.ALARM
    assert bench.bad_line.levels == [True]


@pytest.mark.parametrize(
    ("what", "state"),
    [
        (BusError("gone"), SensorState.ABSENT),
        (SensorError("identity 0x00"), SensorState.WRONG_CHIP),
        (SourceEndedError("all read"), SensorState.ENDED),
    ],
)
def test_every_failure_of_a_sensor_is_an_event(what, state) -> None:
    bench = Bench()
    bench.put("motor", what)
    assert bench.rows("event", "kind", "subject", "state") == [
        ("sensor", "motor", state)
    ]
    assert bench.bad.logic.state is AlarmState.UNKNOWN


def test_a_sensor_that_only_started_can_go_stale() -> None:
    bench = Bench()
    bench.put("motor", Started())
    bench.clock.advance(3)
    bench.monitor.tick(bench.clock())
    assert bench.monitor.sensors["motor"].state is SensorState.STALE


def test_frozen_samples_make_the_sensor_frozen_and_the_alarm_unknown() -> None:
    bench = Bench()
    bench.stream.pipeline = Pipeline(
        card(hop=4, frozen_rows=3), bench.engine, clock=bench.clock
    )
    bench.read("motor", QUIET)
    assert bench.bad.logic.state is AlarmState.NORMAL
    bench.read("motor", [2.0] * 4)
    assert bench.monitor.sensors["motor"].state is SensorState.FROZEN
    assert bench.bad.logic.state is AlarmState.UNKNOWN
    bench.read("motor", [2.0])
    assert bench.monitor.sensors["motor"].state is SensorState.FROZEN
    bench.read("motor", [2.1, 2.2, 2.3])
    bench.read("motor", QUIET)
    assert bench.monitor.sensors["motor"].state is SensorState.OK
    assert bench.bad.logic.state is AlarmState.NORMAL


def test_a_model_that_judges_nothing_for_a_period_is_reported_and_its_recovery():
    bench = Bench()
    for rows, rate_hz in [(LOUD, 1000.0), (LOUD, 1100.0), (LOUD, 1100.0)]:
        bench.read("motor", rows, rate_hz=rate_hz)
    bench.clock.advance(11)
    bench.monitor.tick(bench.clock())
    kinds = bench.rows("event", "kind")
    assert ("model",) not in kinds, "one was judged"
    assert bench.bad.reason.startswith("the sensor runs at 1100 Hz")
    for rate_hz in (1100.0, 1000.0):
        bench.read("motor", QUIET, rate_hz=rate_hz)
        bench.clock.advance(11)
        bench.monitor.tick(bench.clock())
    events = [row for row in bench.rows("event", "kind", "state") if row[0] == "model"]
    assert events == [("model", "unknown"), ("model", "ok")]


def test_a_frozen_contact_proves_nothing() -> None:
    bench = Bench()
    bench.read("door", [0])
    assert bench.open.logic.state is AlarmState.NORMAL
    stuck = replace(block([0]), frozen=True)
    for _ in range(2):
        bench.monitor.handle(Reading("door", bench.clock(), stuck))
        assert bench.open.logic.state is AlarmState.UNKNOWN
    assert bench.monitor.sensors["door"].state is SensorState.FROZEN
    bench.read("door", [0])
    assert bench.open.logic.state is AlarmState.NORMAL


def test_a_backlog_is_no_silence() -> None:
    bench = Bench()
    read_ns = bench.clock()
    bench.clock.advance(60)
    bench.monitor.handle(Reading("motor", read_ns, block(QUIET, start_ns=read_ns)))
    bench.monitor.tick(bench.clock())
    assert bench.monitor.sensors["motor"].state is SensorState.OK
    assert bench.stream.latest is not None
    assert bench.stream.latest.delay_ns >= 60 * SECOND - 3 * MS


class EmptyInbox:
    """An inbox without readings, whose waits take given times."""

    def __init__(self, clock: Clock, *waits_s: float) -> None:
        self._clock = clock
        self._waits_s = list(waits_s)

    def get(self, timeout_s: float) -> None:
        self._clock.advance(self._waits_s.pop(0))

    @property
    def drained(self) -> bool:
        return not self._waits_s


@pytest.mark.parametrize(
    ("waits_s", "state"),
    [([600.0], "ok"), ([600.0, TICK_S], "stale"), ([TICK_S] * 9, "stale")],
)
def test_a_computer_that_slept_does_not_call_its_sensors_stale(
    waits_s: list[float], state: str
) -> None:
    bench = Bench()
    bench.read("motor", QUIET)
    bench.monitor.run(EmptyInbox(bench.clock, TICK_S, *waits_s))
    assert bench.monitor.sensors["motor"].state == state
