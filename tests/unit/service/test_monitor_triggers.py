"""Windows by a trigger, and meters that show a score."""

from __future__ import annotations

from monitor_bench import LOUD, QUIET, Bench
from support import MS, card

from sensorml.acquisition.inbox import Reading, Trigger
from sensorml.alarms.meter import MeterOutput
from sensorml.config.tables import Meter
from sensorml.errors import BusError
from sensorml.pipeline.pipeline import Pipeline
from sensorml.types import AlarmState, SensorState


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
