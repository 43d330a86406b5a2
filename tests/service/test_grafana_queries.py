"""Every query of the dashboard and the alert rules, answered by a real InfluxDB.

Rows go in by the influxdb sink. What Grafana does with a query before it sends
it is done here: variables become regular expressions, the time range and the
interval are put in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing

import pytest

from sensorml.grafana.dashboard import dashboard
from sensorml.grafana.provisioning import alert_rules
from sensorml.interfaces import Delivered
from sensorml.sinks.influxdb import Options, Sink
from sensorml.storage.journal import Journal
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS, KINDS

S = 1_000_000_000
START_NS = 1_760_000_000 * S  # a whole multiple of the interval and of a minute
START_NS -= START_NS % (60 * S)
INTERVAL_S = 10
WINDOWS = 60  # one a second

STAGES = ("sample_to_result", "features", "quantise", "invoke", "decide")
MOTOR = {"device": "pi 4", "sensor": "motor", "model": "motor-anomaly"}
FAN = {"device": "pi 4", "sensor": "fan.left (2)", "model": "fan"}


class Influx:
    """The database with the rows, as Grafana's data source asks it."""

    def __init__(self, server) -> None:
        self._server = server

    def query(self, text: str) -> list[dict]:
        """Return the series of one InfluxQL statement."""
        answer = self._server.post("/query", db="grafana", epoch="s", q=text)
        [result] = json.loads(answer)["results"]
        assert "error" not in result, (text, result)
        return result.get("series", [])


@pytest.fixture(scope="module")
def influx(influxd, tmp_path_factory) -> Influx:
    options = Options(url=influxd.url, api="v1", database="grafana")
    store = tmp_path_factory.mktemp("grafana") / "journal.db"
    with (
        closing(Sink(options, {"device": "pi 4"})) as sink,
        closing(Journal.open(store)) as journal,
    ):
        journal.append(journal_rows())
        with closing(Reader.open(store)) as reader:
            for kind in KINDS:
                stored = reader.rows(kind, 0, 10_000)
                assert sink.send(kind, stored) == Delivered()
    return Influx(influxd)


def journal_rows() -> dict[str, list[tuple]]:
    """Rows of every kind: a minute of a motor that fails, and a fan that stays well."""
    predictions = [
        row(
            "prediction",
            stream,
            start_ns=START_NS + (i - 1) * S,
            end_ns=START_NS + i * S,
            model_version="1",
            delegate="cpu",
            score=0.1 if i < 40 or stream is FAN else 1.0 + i,
            threshold=0.5,
            state="normal" if i < 40 or stream is FAN else "anomaly",
            quality=0.75 if i == 25 else 1.0,
            delay_ns=1_000_000,
            features_ns=1,
            quantise_ns=1,
            invoke_ns=1,
            decide_ns=1,
            degraded=0,
        )
        for stream in (MOTOR, FAN)
        for i in range(WINDOWS)
    ]
    alarms = [
        row("alarm", {"alarm": "door", "sensor": "door"}, time_ns=START_NS + 5 * S,
            state="alarm", previous="normal", reason="level is 1"),
        row("alarm", {"alarm": "motor-bad", **MOTOR}, time_ns=START_NS + 42 * S,
            state="alarm", previous="normal", reason="3 of 5", score=42.0,
            threshold=0.5),
    ]  # fmt: skip
    events = [
        row("event", {"kind": "sensor", "subject": "motor"}, time_ns=START_NS + S,
            state="ok", previous="starting", detail="ADXL345"),
        row("event", {"kind": "delegate", "subject": "fan"}, time_ns=START_NS + 9 * S,
            state="degraded", previous="ok", detail="killed", value=2.0),
    ]  # fmt: skip
    timings = [
        row("timing", {**MOTOR, "delegate": "cpu", "stage": stage},
            start_ns=START_NS + (t - 10) * S, time_ns=START_NS + t * S, count=10,
            p50_ns=100 + n, p95_ns=200 + n + t, p99_ns=300 + n + t, max_ns=400)
        for n, stage in enumerate(STAGES)
        for t in (11, 18)
    ]  # fmt: skip
    sensors = [
        row("sensor", {"sensor": name}, start_ns=START_NS + (t - 5) * S,
            time_ns=START_NS + t * S, state=state, rate_hz=rate_hz, rows=4000,
            missed=missed, overrun=1 if missed else 0, duplicated=0, clipped=0,
            jitter_ns=40_000, failures=0)
        for name, t, state, rate_hz, missed in (
            ("motor", 5, "ok", 800.0, 0), ("motor", 9, "overrun", 802.0, 7),
            ("motor", 15, "ok", 801.0, 30), ("motor", 25, "absent", None, 0),
            ("door", 5, "ok", 10.0, 0),
        )
    ]  # fmt: skip
    return {
        "prediction": predictions,
        "alarm": alarms,
        "event": events,
        "timing": timings,
        "sensor": sensors,
    }


def row(kind: str, tags: Mapping[str, object], **values: object) -> tuple:
    return tuple({**tags, **values}.get(column) for column in COLUMNS[kind])


def chosen(values: list[str]) -> str:
    """What Grafana makes of a variable inside a regular expression; [] is All."""
    if not values:
        return ".*"
    escaped = [re.sub(r"[\\^$*+?.()|[\]{}/]", r"\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def expanded(text: str, **choice: list[str]) -> str:
    """A query as Grafana sends it for the minute of the rows."""
    text = text.replace(
        "$timeFilter", f"time >= {START_NS // S}s and time < {START_NS // S + 60}s"
    ).replace("$__interval", f"{INTERVAL_S}s")
    for name in ("device", "sensor", "model", "stage"):
        text = text.replace(f"${name}", chosen(choice.get(name, [])))
    assert "$/" in text or "$" not in text
    return text


def answers(influx: Influx, title: str, ref: str = "A", **choice: list[str]) -> list:
    """The series of one query of the panel of this title."""
    [panel] = [p for p in dashboard()["panels"] if p["title"] == title]
    [target] = [t for t in panel["targets"] if t["refId"] == ref]
    return influx.query(expanded(target["query"], **choice))


def values(series: list[dict], *, tag: str, is_: str, column: int = 1) -> list:
    """The values of the series with this tag, oldest first."""
    [found] = [each for each in series if each["tags"][tag] == is_]
    return [value[column] for value in found["values"]]


def test_every_panel_has_an_answer_to_every_query(influx: Influx) -> None:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            assert influx.query(expanded(target["query"])), panel["title"]


def test_the_score_shows_the_highest_of_each_interval(influx: Influx) -> None:
    series = answers(influx, "Score against threshold")
    assert values(series, tag="sensor", is_="motor") == [0.1] * 4 + [50.0, 60.0]
    assert values(series, tag="sensor", is_=FAN["sensor"]) == [0.1] * 6
    assert series[0]["tags"].keys() == {"device", "sensor", "model"}


def test_the_threshold_lies_beside_the_score(influx: Influx) -> None:
    series = answers(influx, "Score against threshold", "B")
    assert values(series, tag="model", is_="motor-anomaly") == [0.5] * 6


def test_the_window_state_follows_the_windows(influx: Influx) -> None:
    series = answers(influx, "Window state")
    states = values(series, tag="sensor", is_="motor")
    assert states == ["normal"] * 4 + ["anomaly"] * 2


def test_the_alarm_state_has_every_change_also_of_an_alarm_without_model(
    influx: Influx,
) -> None:
    series = answers(influx, "Alarm state")
    assert values(series, tag="alarm", is_="door") == ["alarm"]
    assert values(series, tag="alarm", is_="motor-bad", column=0) == [
        START_NS // S + 42
    ]


def test_the_newest_alarm_is_on_top(influx: Influx) -> None:
    [table] = answers(influx, "Alarms")
    assert [dict(zip(table["columns"], v, strict=True)) for v in table["values"]] == [
        {
            "time": START_NS // S + 42,
            "device": "pi 4",
            "alarm": "motor-bad",
            "state": "alarm",
            "previous": "normal",
            "reason": "3 of 5",
            "score": 42.0,
            "threshold": 0.5,
        },
        {
            "time": START_NS // S + 5,
            "device": "pi 4",
            "alarm": "door",
            "state": "alarm",
            "previous": "normal",
            "reason": "level is 1",
            "score": None,
            "threshold": None,
        },
    ]


def test_the_newest_event_is_on_top_with_its_kind_and_subject(influx: Influx) -> None:
    [table] = answers(influx, "Events")
    assert [value[1:] for value in table["values"]] == [
        ["pi 4", "delegate", "fan", "degraded", "ok", "killed", 2.0],
        ["pi 4", "sensor", "motor", "ok", "starting", "ADXL345", None],
    ]


def test_the_delay_is_the_mean_median_and_the_worst_tails(influx: Influx) -> None:
    [series] = answers(influx, "Delay from sample to result")
    assert series["columns"] == ["time", "p50", "p95", "p99"]
    assert series["values"] == [[START_NS // S + 10, 100, 218, 318]]


def test_each_stage_is_a_line_and_can_be_chosen(influx: Influx) -> None:
    title = "Delay of each stage, p95"
    every = answers(influx, title)
    assert {each["tags"]["stage"] for each in every} == set(STAGES)
    assert values(every, tag="stage", is_="invoke") == [221]
    two = answers(influx, title, stage=["invoke", "decide"])
    assert {each["tags"]["stage"] for each in two} == {"invoke", "decide"}


def test_missing_samples_show_in_their_interval(influx: Influx) -> None:
    series = answers(influx, "Missing samples")
    assert values(series, tag="sensor", is_="motor") == [0, 0, 0.25, 0, 0, 0]


def test_windows_are_counted_by_the_minute(influx: Influx) -> None:
    series = answers(influx, "Windows a minute")
    assert values(series, tag="sensor", is_="motor") == [WINDOWS]


def test_missed_samples_add_up_in_their_interval(influx: Influx) -> None:
    series = answers(influx, "Samples missed")
    assert values(series, tag="sensor", is_="motor") == [7, 30, 0]


def test_the_true_rate_is_not_drawn_while_no_sample_comes(influx: Influx) -> None:
    series = answers(influx, "True rate")
    assert values(series, tag="sensor", is_="motor") == [801.0, 801.0]


def test_the_sensor_state_is_shown_also_of_one_without_a_model(influx: Influx) -> None:
    series = answers(influx, "Sensor state")
    assert values(series, tag="sensor", is_="motor") == ["overrun", "ok", "absent"]
    assert values(series, tag="sensor", is_="door") == ["ok"]
    [chosen_one] = answers(influx, "Sensor state", sensor=["door"])
    assert chosen_one["tags"]["sensor"] == "door"


@pytest.mark.parametrize("sensor", [MOTOR["sensor"], FAN["sensor"]])
def test_a_chosen_sensor_is_the_only_one_shown(influx: Influx, sensor: str) -> None:
    [series] = answers(influx, "Score against threshold", sensor=[sensor])
    assert series["tags"]["sensor"] == sensor


def test_several_chosen_sensors_are_all_shown(influx: Influx) -> None:
    both = [MOTOR["sensor"], FAN["sensor"]]
    assert len(answers(influx, "Window state", sensor=both)) == 2


def test_a_name_is_not_taken_for_the_beginning_of_another(influx: Influx) -> None:
    assert answers(influx, "Window state", sensor=["mot"]) == []


def test_a_device_that_is_not_there_shows_nothing(influx: Influx) -> None:
    for title in ("Score against threshold", "Alarms", "Events", "Alarm state"):
        assert answers(influx, title, device=["pi 5"]) == []


@pytest.mark.parametrize(
    ("name", "choice", "offered"),
    [
        ("device", {}, {"pi 4"}),
        ("sensor", {}, {MOTOR["sensor"], "door"}),
        ("sensor", {"device": ["pi 5"]}, set()),
        ("model", {"sensor": [FAN["sensor"]]}, {"fan"}),
        ("stage", {"model": ["motor-anomaly"]}, set(STAGES)),
        ("stage", {"model": ["fan"]}, set()),
    ],
)
def test_a_variable_offers_what_fits_the_ones_before_it(
    influx: Influx, name: str, choice: dict[str, list[str]], offered: set[str]
) -> None:
    [variable] = [v for v in dashboard()["templating"]["list"] if v["name"] == name]
    series = influx.query(expanded(variable["query"], **choice))
    assert {value for each in series for _, value in each["values"]} == offered


def rule(uid: str) -> str:
    [group] = alert_rules()["groups"]
    [found] = [each for each in group["rules"] if each["uid"] == uid]
    return expanded(found["data"][0]["model"]["query"])


def test_the_rule_for_alarms_counts_those_that_went_on(influx: Influx) -> None:
    series = influx.query(rule("sensorml-alarm"))
    assert values(series, tag="alarm", is_="motor-bad") == [1]
    assert values(series, tag="alarm", is_="door") == [1]


def test_the_rule_for_silence_sees_a_sensor_that_has_stopped(influx: Influx) -> None:
    last = START_NS // S + 59
    later = rule("sensorml-silent").replace(f"< {last + 1}s", f"< {last + 600}s")
    counts = values(influx.query(later), tag="sensor", is_="motor")
    assert counts[-1] == 0
    assert sum(counts) == WINDOWS
