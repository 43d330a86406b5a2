"""The way of readings to alarms, lines and rows, with fake engines and lines."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from monitor_bench import LOUD, QUIET, Bench
from support import MS, FakeEngine, block, card

from sensorml.acquisition.inbox import (
    Acknowledge,
    Arm,
    Inbox,
    Reading,
)
from sensorml.acquisition.sensor_health import SensorHealth
from sensorml.alarms.logic import Signal
from sensorml.pipeline.pipeline import Pipeline
from sensorml.service.monitor import Monitor
from sensorml.service.streams import STAGES, Stream
from sensorml.storage.tables import COLUMNS
from sensorml.types import AlarmState


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


def test_a_button_clears_a_latched_alarm_and_its_line() -> None:
    bench = Bench(latch=True)
    bench.read("motor", LOUD)
    bench.read("motor", QUIET)
    assert bench.bad.logic.state is AlarmState.ALARM
    bench.outbox.take()
    bench.put("", Acknowledge("bad", "Ana"))
    assert bench.bad.logic.state is AlarmState.NORMAL
    assert bench.bad_line.levels[-1] is False
    rows = bench.outbox.take()
    [alarm], [event] = rows["alarm"], rows["event"]
    assert alarm[1:7] == ("bad", "motor", "wear", "normal", "alarm", "acknowledged")
    assert event[1:6] == ("alarm", "bad", "acknowledged", "", "by Ana")


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
