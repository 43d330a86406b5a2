"""All queries of the dashboard and the alert rules against a real InfluxDB.

The influxdb sink writes the rows. As Grafana does before it sends a query, the tests
replace variables by regular expressions and insert the time range and the interval.
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
    """The database with the rows, queried as by Grafana's data source."""

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
    """Return a minute of rows of every kind: a motor that fails and a healthy fan."""
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


def variable_value(values: list[str]) -> str:
    """Return a variable as Grafana writes it in a regular expression; [] is All."""
    if not values:
        return ".*"
    escaped = [re.sub(r"[\\^$*+?.()|[\]{}/]", r"\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def expanded(text: str, **choice: list[str]) -> str:
    """Return a query as Grafana sends it for the minute of the rows."""
    text = text.replace(
        "$timeFilter", f"time >= {START_NS // S}s and time < {START_NS // S + 60}s"
    ).replace("$__interval", f"{INTERVAL_S}s")
    for name in ("device", "sensor", "model", "stage"):
        text = text.replace(f"${name}", variable_value(choice.get(name, [])))
    assert "$/" in text or "$" not in text
    return text


def answers(influx: Influx, title: str, ref: str = "A", **choice: list[str]) -> list:
    """Return the series of one query of the panel with this title."""
    [panel] = [p for p in dashboard()["panels"] if p["title"] == title]
    [target] = [t for t in panel["targets"] if t["refId"] == ref]
    return influx.query(expanded(target["query"], **choice))


def values(series: list[dict], *, tag: str, is_: str, column: int = 1) -> list:
    """Return the values of the series with this tag, oldest first."""
    [tagged] = [one for one in series if one["tags"][tag] == is_]
    return [value[column] for value in tagged["values"]]


def test_every_panel_has_an_answer_to_every_query(influx: Influx) -> None:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            assert influx.query(expanded(target["query"])), panel["title"]


def test_the_score_is_the_highest_of_each_interval(influx: Influx) -> None:
    series = answers(influx, "Score against threshold")
    assert values(series, tag="sensor", is_="motor") == [0.1] * 4 + [50.0, 60.0]
    assert values(series, tag="sensor", is_=FAN["sensor"]) == [0.1] * 6
    assert series[0]["tags"].keys() == {"device", "sensor", "model"}


def test_the_threshold_is_shown_with_the_score(influx: Influx) -> None:
    series = answers(influx, "Score against threshold", "B")
    assert values(series, tag="model", is_="motor-anomaly") == [0.5] * 6


def test_the_window_state_follows_the_windows(influx: Influx) -> None:
    series = answers(influx, "Window state")
    states = values(series, tag="sensor", is_="motor")
    assert states == ["normal"] * 4 + ["anomaly"] * 2


def test_the_alarm_state_shows_every_change_also_without_a_model(
    influx: Influx,
) -> None:
    series = answers(influx, "Alarm state")
    assert values(series, tag="alarm", is_="door") == ["alarm"]
    assert values(series, tag="alarm", is_="motor-bad", column=0) == [
        START_NS // S + 42
    ]


def test_the_newest_alarm_comes_first(influx: Influx) -> None:
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


def test_the_newest_event_comes_first_with_its_kind_and_subject(influx: Influx) -> None:
    [table] = answers(influx, "Events")
    assert [value[1:] for value in table["values"]] == [
        ["pi 4", "delegate", "fan", "degraded", "ok", "killed", 2.0],
        ["pi 4", "sensor", "motor", "ok", "starting", "ADXL345", None],
    ]


def test_the_delay_has_the_mean_p50_and_the_highest_p95_and_p99(influx: Influx) -> None:
    [series] = answers(influx, "Delay from sample to result")
    assert series["columns"] == ["time", "p50", "p95", "p99"]
    assert series["values"] == [[START_NS // S + 10, 100, 218, 318]]


def test_each_stage_is_a_series_and_can_be_selected(influx: Influx) -> None:
    title = "Delay of each stage, p95"
    series = answers(influx, title)
    assert {one["tags"]["stage"] for one in series} == set(STAGES)
    assert values(series, tag="stage", is_="invoke") == [221]
    series = answers(influx, title, stage=["invoke", "decide"])
    assert {one["tags"]["stage"] for one in series} == {"invoke", "decide"}


def test_missing_samples_are_shown_in_their_interval(influx: Influx) -> None:
    series = answers(influx, "Missing samples")
    assert values(series, tag="sensor", is_="motor") == [0, 0, 0.25, 0, 0, 0]


def test_windows_are_counted_per_minute(influx: Influx) -> None:
    series = answers(influx, "Windows per minute")
    assert values(series, tag="sensor", is_="motor") == [WINDOWS]


def test_missed_samples_are_summed_in_their_interval(influx: Influx) -> None:
    series = answers(influx, "Samples missed")
    assert values(series, tag="sensor", is_="motor") == [7, 30, 0]


def test_the_true_rate_is_absent_without_samples(influx: Influx) -> None:
    series = answers(influx, "True rate")
    assert values(series, tag="sensor", is_="motor") == [801.0, 801.0]


def test_the_sensor_state_is_shown_also_without_a_model(influx: Influx) -> None:
    series = answers(influx, "Sensor state")
    assert values(series, tag="sensor", is_="motor") == ["overrun", "ok", "absent"]
    assert values(series, tag="sensor", is_="door") == ["ok"]
    [door] = answers(influx, "Sensor state", sensor=["door"])
    assert door["tags"]["sensor"] == "door"


@pytest.mark.parametrize("sensor", [MOTOR["sensor"], FAN["sensor"]])
def test_only_the_selected_sensor_is_shown(influx: Influx, sensor: str) -> None:
    [series] = answers(influx, "Score against threshold", sensor=[sensor])
    assert series["tags"]["sensor"] == sensor


def test_all_selected_sensors_are_shown(influx: Influx) -> None:
    both = [MOTOR["sensor"], FAN["sensor"]]
    assert len(answers(influx, "Window state", sensor=both)) == 2


def test_a_name_does_not_match_a_longer_name(influx: Influx) -> None:
    assert answers(influx, "Window state", sensor=["mot"]) == []


def test_an_unknown_device_shows_nothing(influx: Influx) -> None:
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
def test_a_variable_offers_the_values_for_the_earlier_variables(
    influx: Influx, name: str, choice: dict[str, list[str]], offered: set[str]
) -> None:
    [variable] = [v for v in dashboard()["templating"]["list"] if v["name"] == name]
    series = influx.query(expanded(variable["query"], **choice))
    assert {value for one in series for _, value in one["values"]} == offered


def rule(uid: str) -> str:
    [group] = alert_rules()["groups"]
    [alert] = [one for one in group["rules"] if one["uid"] == uid]
    return expanded(alert["data"][0]["model"]["query"])


def test_the_alert_for_alarms_counts_those_that_were_raised(influx: Influx) -> None:
    series = influx.query(rule("sensorml-alarm"))
    assert values(series, tag="alarm", is_="motor-bad") == [1]
    assert values(series, tag="alarm", is_="door") == [1]


def test_the_alert_for_silence_finds_a_sensor_that_has_stopped(influx: Influx) -> None:
    last = START_NS // S + 59
    later = rule("sensorml-silent").replace(f"< {last + 1}s", f"< {last + 600}s")
    counts = values(influx.query(later), tag="sensor", is_="motor")
    assert counts[-1] == 0
    assert sum(counts) == WINDOWS
