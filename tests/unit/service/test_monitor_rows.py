"""The rows of delays, of the counts of sensors, and of changes."""

from __future__ import annotations

import numpy as np
import pytest
from monitor_bench import QUIET, Bench
from support import block, card

from sensorml.acquisition.inbox import Inbox
from sensorml.errors import BusError
from sensorml.pipeline.feature_means import FeatureMeans
from sensorml.pipeline.features import statistics
from sensorml.service.streams import STAGES
from sensorml.storage.change_limit import CHANGES_AT_ONCE
from sensorml.storage.tables import COLUMNS
from sensorml.types import AlarmState


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


def test_features_become_rows_once_a_minute() -> None:
    bench = Bench()
    means = FeatureMeans(card(features=statistics.Features(values=("rms",))))
    bench.stream.means = means
    begun_ns = bench.clock()
    means.add(np.array([[0.5], [0.7]], np.float32))
    bench.clock.advance(59)
    bench.monitor.tick(bench.clock())
    assert bench.rows("feature", "value") == []
    bench.clock.advance(1)
    bench.monitor.tick(bench.clock())
    [row] = bench.rows("feature", *COLUMNS["feature"])
    names = ("motor", "wear", "x rms", "g")
    mean = pytest.approx(0.6)
    assert row == (begun_ns, bench.clock(), *names, None, None, mean)
    bench.clock.advance(61)
    bench.monitor.tick(bench.clock())
    assert bench.rows("feature", "value") == []
