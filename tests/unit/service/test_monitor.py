"""The way of readings to lines and rows, with fake engines and lines."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

import pytest
from support import MS, SECOND, Clock, FakeEngine, block, card

from sensorml.acquisition.inbox import (
    Acknowledge,
    Arm,
    Inbox,
    Reading,
    Started,
    Trigger,
)
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.alarms.channel import AlarmChannel
from sensorml.alarms.logic import Signal
from sensorml.alarms.meter import MeterOutput
from sensorml.config.tables import Alarm, Meter, When
from sensorml.errors import BusError, SensorError, SourceEndedError, UnsettledError
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import TICK_S, Monitor
from sensorml.service.streams import STAGES, Stream
from sensorml.storage.change_limit import CHANGES_AT_ONCE
from sensorml.storage.outbox import Outbox
from sensorml.storage.tables import COLUMNS
from sensorml.types import AlarmState, SensorState

QUIET, LOUD = [0.0, 0.1, 0.2, 0.1], [0.0, 5.0, 0.2, 0.1]


class LoggedOutbox(Outbox):
    """An outbox that also logs the order of rows and line changes."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(urgent=lambda: None)
        self.log = log

    def predictions(self, rows) -> None:
        self.log.append("predictions")
        super().predictions(rows)

    def alarm(self, at_ns, **fields) -> None:
        self.log.append(f"alarm {fields['state']}")
        super().alarm(at_ns, **fields)


class FakeLine:
    """A line that records its levels and can fail."""

    def __init__(self, log: list[str]) -> None:
        self.levels: list[bool] = []
        self.signals: list[Signal] = []
        self.failing = False
        self._log = log

    def set(self, signal: Signal) -> None:
        if self.failing:
            raise BusError("GPIO 17: no access")
        on = signal is not Signal.OFF
        self._log.append(f"line {'on' if on else 'off'}")
        self.levels.append(on)
        self.signals.append(signal)


class Bench:
    """A motor with a model, a door with a contact, an alarm and a line for each."""

    def __init__(self, **rules: object) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        self.outbox = LoggedOutbox(self.log)
        self.engine = FakeEngine(clock=self.clock, quantise_ns=1_000, invoke_ns=5_000)
        wear = {"of": (1, 1), "clear_after_s": 0.0, "fail_safe": "off", **rules}
        self.bad_line, self.open_line = FakeLine(self.log), FakeLine(self.log)
        self.bad = AlarmChannel(
            Alarm(name="bad", model="wear", **wear),
            self.outbox,
            sensor="motor",
            line=self.bad_line,
        )
        self.open = AlarmChannel(
            Alarm(name="open", sensor="door", when=When(equals=1)),
            self.outbox,
            sensor="door",
            line=self.open_line,
        )
        pipeline = Pipeline(card(hop=4), self.engine, clock=self.clock)
        self.stream = Stream("wear", "motor", pipeline)
        self.first_results = 0
        self.monitor = Monitor(
            [SensorHealth(name, stale_after_s=2.0) for name in ("motor", "door")],
            [self.stream],
            [self.bad, self.open],
            self.outbox,
            timing_s=10.0,
            first_result=self._first_result,
            clock=self.clock,
        )

    def _first_result(self) -> None:
        self.first_results += 1

    def read(self, sensor: str, rows: list[float], *, rate_hz: float = 1000.0) -> None:
        """Read rows, the last of which was taken just now."""
        start_ns = self.clock() - round((len(rows) - 1) * 1e9 / rate_hz)
        what = block(rows, start_ns=start_ns, rate_hz=rate_hz)
        self.monitor.handle(Reading(sensor, self.clock(), what))

    def put(self, sensor: str, what: object) -> None:
        self.monitor.handle(Reading(sensor, self.clock(), what))

    def rows(self, kind: str, *columns: str) -> list[tuple[object, ...]]:
        """Take what is in the outbox; return one kind of it."""
        rows = self.outbox.take()
        places = [COLUMNS[kind].index(column) for column in columns]
        return [tuple(row[p] for p in places) for row in rows.get(kind, ())]


def test_a_line_has_changed_before_anything_is_written_down() -> None:
    bench = Bench()
    bench.read("motor", QUIET)
    bench.log.clear()
    bench.read("motor", LOUD)
    assert bench.log == ["line on", "alarm alarm", "predictions"]


def test_an_alarm_and_its_window_are_rows() -> None:
    bench = Bench()
    bench.read("motor", QUIET)
    bench.outbox.take()
    at_ns = bench.clock()
    bench.read("motor", LOUD)
    rows = bench.outbox.take()
    [alarm] = rows["alarm"]
    assert dict(zip(COLUMNS["alarm"], alarm, strict=True)) == {
        "time_ns": at_ns,
        "alarm": "bad",
        "sensor": "motor",
        "model": "wear",
        "state": "alarm",
        "previous": "normal",
        "reason": "score 5 is over the threshold 1",
        "score": 5.0,
        "threshold": 1.0,
    }
    [window] = rows["prediction"]
    window = dict(zip(COLUMNS["prediction"], window, strict=True))
    assert window["start_ns"] == at_ns - 3 * MS
    assert window["end_ns"] == at_ns
    assert [window[c] for c in ("sensor", "model", "model_version", "delegate")] == [
        "motor",
        "wear",
        "1",
        "fake",
    ]
    assert (window["score"], window["state"], window["quality"]) == (5.0, "anomaly", 1)
    assert (window["quantise_ns"], window["invoke_ns"]) == (1_000, 5_000)


def test_a_contact_drives_its_alarm_without_a_model() -> None:
    bench = Bench()
    bench.read("door", [0])
    assert bench.open.logic.state is AlarmState.NORMAL
    bench.read("door", [1])
    assert bench.open.logic.state is AlarmState.ALARM
    assert bench.open.reason == "the value is 1"
    bench.read("door", [0])
    assert bench.open_line.levels == [False, True, False]
    assert bench.engine.windows == 0
    states = bench.rows("alarm", "sensor", "model", "state", "score")
    assert states == [
        ("door", "", state, None) for state in ("normal", "alarm", "normal")
    ]


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


def test_a_button_clears_a_latched_alarm_and_its_line() -> None:
    bench = Bench(latch=True)
    bench.read("motor", LOUD)
    bench.read("motor", QUIET)
    assert bench.bad.logic.state is AlarmState.ALARM
    bench.outbox.take()
    bench.put("", Acknowledge("bad"))
    assert bench.bad.logic.state is AlarmState.NORMAL
    assert bench.bad_line.levels[-1] is False
    assert bench.rows("alarm", "alarm", "sensor", "model", "state", "reason") == [
        ("bad", "motor", "wear", "normal", "acknowledged")
    ]


def test_acknowledging_an_alarm_that_does_not_exist_does_nothing() -> None:
    bench = Bench()
    bench.put("", Acknowledge("gone"))
    assert bench.rows("alarm", "alarm") == []


def test_an_alarm_that_comes_on_while_it_is_blind_drives_its_line() -> None:
    bench = Bench(of=(2, 4))
    bench.read("motor", QUIET)
    for rows in (QUIET, QUIET):
        bench.read("motor", rows, rate_hz=500.0)  # off its rate: withheld
    assert bench.bad.logic.state is AlarmState.UNKNOWN
    bench.read("motor", LOUD)
    bench.read("motor", LOUD)
    assert bench.bad.logic.on
    assert bench.bad_line.levels[-1] is True


def test_several_models_on_one_sensor_see_the_same_rows() -> None:
    bench = Bench()
    other = FakeEngine()
    streams = [bench.stream, Stream("second", "motor", Pipeline(card(), other))]
    monitor = Monitor(
        [SensorHealth("motor", stale_after_s=2)], streams, [], bench.outbox
    )
    monitor.handle(Reading("motor", 0, block(LOUD)))
    assert (bench.engine.windows, other.windows) == (1, 1)
    assert [stream.windows for stream in streams] == [1, 1]
    assert {model for (model,) in bench.rows("prediction", "model")} == {
        "wear",
        "second",
    }


def test_delays_become_rows_of_percentiles_for_every_stage() -> None:
    bench = Bench()
    since_ns = bench.clock()
    for _ in range(4):
        bench.read("motor", QUIET)
    bench.outbox.take()
    bench.clock.advance(9.9)
    bench.monitor.tick(bench.clock())
    assert bench.rows("timing", "stage") == []
    bench.clock.advance(0.2)
    bench.monitor.tick(bench.clock())
    rows = bench.rows("timing", *COLUMNS["timing"])
    timings = [dict(zip(COLUMNS["timing"], row, strict=True)) for row in rows]
    assert [t["stage"] for t in timings] == list(STAGES)
    assert len(timings) == 5
    for t in timings:
        assert t["start_ns"] == since_ns
        assert t["time_ns"] == bench.clock()
        assert (t["sensor"], t["model"], t["delegate"]) == ("motor", "wear", "fake")
        assert t["count"] == 4
        assert t["p50_ns"] <= t["p95_ns"] <= t["p99_ns"] <= t["max_ns"]
    invoke = timings[STAGES.index("invoke")]
    assert invoke["p50_ns"] == invoke["max_ns"] == 5_000
    bench.clock.advance(11)
    bench.monitor.tick(bench.clock())
    assert bench.rows("timing", "stage") == []


def test_the_counts_of_every_sensor_become_a_row_of_every_period() -> None:
    bench = Bench()
    since_ns = bench.clock()
    for _ in range(4):
        bench.read("motor", QUIET)
    bench.read("door", [0])
    bench.clock.advance(1)
    bench.monitor.tick(bench.clock())
    assert bench.rows("sensor", "sensor") == []
    bench.clock.advance(9.1)
    bench.put("door", BusError("gone"))
    bench.monitor.tick(bench.clock())
    columns = ("start_ns", "time_ns", "sensor", "state", "rate_hz", "rows", "failures")
    now_ns = bench.clock()
    assert bench.rows("sensor", *columns) == [
        (since_ns, now_ns, "motor", "stale", 1000.0, 16, 0),
        (since_ns, now_ns, "door", "absent", 1000.0, 1, 1),
    ]
    bench.read("motor", QUIET)
    bench.clock.advance(10)
    bench.monitor.tick(bench.clock())
    assert bench.rows("sensor", "start_ns", "sensor", "rows") == [
        (now_ns, "motor", 4),
        (now_ns, "door", 0),
    ]


def test_the_event_of_an_overrun_has_the_number_of_lost_samples() -> None:
    bench = Bench()
    bench.read("motor", QUIET)
    bench.put("motor", block(QUIET, start_ns=bench.clock(), missed=42))
    assert bench.rows("event", "state", "value") == [("ok", None), ("overrun", 42)]


def test_a_loose_wire_blinds_the_alarm_each_time_but_does_not_fill_the_log():
    bench = Bench()
    for _ in range(30):
        bench.read("motor", QUIET)
        assert bench.bad.logic.state is AlarmState.NORMAL
        bench.put("motor", BusError("a loose wire"))
        assert bench.bad.logic.state is AlarmState.UNKNOWN
    assert len(bench.rows("event", "state")) == CHANGES_AT_ONCE


def test_changes_that_were_too_many_for_a_row_each_are_written_at_the_end() -> None:
    bench = Bench()
    for _ in range(10):
        bench.read("door", [0])
        bench.put("door", BusError("a loose wire"))
    inbox = Inbox()
    inbox.close()
    bench.monitor.run(inbox)
    rows = bench.outbox.take()
    states = COLUMNS["alarm"].index("state"), COLUMNS["event"].index("state")
    assert len(rows["alarm"]) == len(rows["event"]) == CHANGES_AT_ONCE + 1
    assert rows["alarm"][-1][states[0]] == "unknown"
    assert rows["event"][-1][states[1]] == "absent"


def test_windows_that_were_withheld_have_no_delays() -> None:
    bench = Bench()
    bench.read("motor", QUIET, rate_hz=500.0)
    bench.clock.advance(11)
    bench.monitor.tick(bench.clock())
    rows = bench.outbox.take()
    assert "timing" not in rows
    assert len(rows["prediction"]) == 1


def test_the_first_result_is_reported_once_for_models_and_contacts() -> None:
    bench = Bench()
    bench.read("motor", QUIET[:2])
    assert bench.first_results == 0
    bench.read("door", [0])
    bench.read("motor", QUIET)
    assert bench.first_results == 1
    assert bench.monitor.results == 2
    assert bench.monitor.blocks == 3


def test_where_nothing_is_judged_the_first_block_is_the_first_result() -> None:
    bench = Bench()
    first: list[int] = []
    monitor = Monitor(
        [SensorHealth("motor", stale_after_s=2.0)],
        [],
        [],
        bench.outbox,
        first_result=lambda: first.append(monitor.blocks),
        clock=bench.clock,
    )
    for _ in range(3):
        monitor.handle(Reading("motor", bench.clock(), block(QUIET)))
    assert (first, monitor.results) == ([1], 0)


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


def test_disarmed_an_alarm_is_off_and_armed_again_it_works() -> None:
    bench = Bench(fail_safe="on")
    bench.read("motor", LOUD)
    bench.put("", Arm("bad", armed=False))
    assert bench.bad_line.levels == [True, False]
    bench.read("motor", LOUD)
    bench.monitor.tick(bench.clock())
    assert bench.bad_line.levels == [True, False]
    bench.put("", Arm("bad", armed=True))
    bench.read("motor", LOUD)
    assert bench.bad_line.signals == [Signal.ALARM, Signal.OFF, Signal.ALARM]
    assert bench.rows("alarm", "previous", "state", "reason") == [
        ("unknown", "alarm", "score 5 is over the threshold 1"),
        ("alarm", "disarmed", "disarmed"),
        ("disarmed", "normal", "armed"),
        ("normal", "alarm", "score 5 is over the threshold 1"),
    ]


def test_a_line_shows_whether_an_alarm_or_blindness_switched_it_on() -> None:
    bench = Bench(fail_safe="on")
    bench.monitor.tick(bench.clock())
    bench.read("motor", QUIET)
    bench.read("motor", LOUD)
    assert bench.bad_line.signals == [Signal.SAFE, Signal.OFF, Signal.ALARM]


def triggered() -> Bench:
    bench = Bench()
    bench.stream.pipeline = Pipeline(
        card(hop=4), bench.engine, triggered=True, clock=bench.clock
    )
    return bench


def trigger(bench: Bench, *, ago_ms: int = 0) -> None:
    at_ns = bench.clock() - ago_ms * MS
    bench.monitor.handle(Reading("motor", at_ns, Trigger("wear")))


def test_between_triggers_nothing_is_scored_and_the_sensor_is_ok() -> None:
    bench = triggered()
    for _ in range(20):
        bench.clock.advance(0.004)
        bench.read("motor", LOUD)
        bench.monitor.tick(bench.clock())
    assert bench.engine.windows == 0
    assert bench.monitor.sensors["motor"].state is SensorState.OK
    assert bench.bad.logic.state is AlarmState.UNKNOWN
    assert bench.first_results == 1  # no other result is due


def test_a_trigger_scores_a_window_that_is_past_and_one_to_come() -> None:
    bench = triggered()
    bench.read("motor", LOUD)
    trigger(bench, ago_ms=3)  # its samples are there already
    assert bench.bad_line.levels == [True]
    bench.clock.advance(0.010)
    trigger(bench)
    bench.clock.advance(0.003)
    bench.read("motor", QUIET)
    assert bench.bad_line.levels == [True, False]
    assert bench.rows("prediction", "state", "quality") == [
        ("anomaly", 1.0),
        ("normal", 1.0),
    ]
    assert bench.stream.windows == 2


def test_the_delay_of_a_window_counts_from_its_last_sample() -> None:
    bench = triggered()
    bench.read("motor", QUIET)
    bench.clock.advance(0.5)
    trigger(bench, ago_ms=503)
    assert bench.stream.latest is not None
    assert 500 * MS <= bench.stream.latest.delay_ns < 501 * MS


def test_triggers_within_a_window_are_an_event_with_their_number() -> None:
    bench = triggered()
    bench.read("motor", QUIET)
    for ago_ms in (3, 2, 1):
        trigger(bench, ago_ms=ago_ms)
    for _ in range(2):
        bench.clock.advance(11)
        bench.monitor.tick(bench.clock())
    events = bench.rows("event", "kind", "subject", "state", "value")
    triggers = [event for event in events if event[0] == "trigger"]
    assert triggers == [("trigger", "wear", "ignored", 2)]


class FakePwm:
    """A line that records its duty cycles and can fail."""

    def __init__(self) -> None:
        self.duties: list[float] = []
        self.failing = False

    def set(self, duty: float) -> None:
        if self.failing:
            raise BusError("GPIO 18: no access")
        self.duties.append(duty)


def test_a_meter_follows_the_score_and_falls_when_the_sensor_fails() -> None:
    bench, line = Bench(), FakePwm()
    rule = Meter(name="needle", model="wear", gpio=18, full_scale=10.0)
    bench.stream.meters = [MeterOutput(rule, line, 1.0, bench.outbox)]
    bench.read("motor", LOUD)
    bench.put("motor", BusError("no chip answers"))
    assert line.duties == [0.5, 0.0]


def test_a_meter_that_fails_is_reported_once_and_stops_nothing() -> None:
    bench, line = Bench(), FakePwm()
    rule = Meter(name="needle", model="wear", gpio=18)
    bench.stream.meters = [MeterOutput(rule, line, 1.0, bench.outbox)]
    line.failing = True
    for rows in (LOUD, QUIET, LOUD):
        bench.read("motor", rows)
    line.failing = False
    bench.read("motor", LOUD)
    events = bench.rows("event", "kind", "subject", "state", "detail")
    assert [event for event in events if event[0] == "gpio"] == [
        ("gpio", "needle", "failed", "GPIO 18: no access"),
        ("gpio", "needle", "ok", ""),
    ]
    assert bench.stream.windows == 4


def running(bench: Bench, readings: Iterable[Reading]) -> Monitor:
    """Run the monitor on readings until the inbox is empty."""
    inbox = Inbox()
    for reading in readings:
        inbox.put(reading)
    inbox.close()
    thread = threading.Thread(target=bench.monitor.run, args=(inbox,))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    return bench.monitor


def test_the_monitor_empties_the_inbox_and_then_writes_the_last_timings() -> None:
    bench = Bench()
    monitor = running(bench, [Reading("motor", 0, block(QUIET))] * 3)
    assert monitor.blocks == 3
    rows = bench.outbox.take()
    assert len(rows["prediction"]) == 3
    assert len(rows["timing"]) == len(STAGES)


def test_before_the_first_reading_lines_show_that_their_alarms_are_blind() -> None:
    bench = Bench(fail_safe="on")
    running(bench, [])
    assert [bench.bad_line.levels, bench.open_line.levels] == [[True], [True]]
