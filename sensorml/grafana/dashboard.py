"""The dashboard, as Grafana's classic JSON model (schemaVersion 42).

One function for each panel; `panels` has their JSON, `queries` their InfluxQL.
The types are those of `Dashboard` in npm's @grafana/schema.
"""

from __future__ import annotations

from sensorml.grafana import queries
from sensorml.grafana.panels import (
    DATA_SOURCE,
    Panel,
    arrange,
    column,
    dashed,
    query,
    table,
    time_series,
    timeline,
)
from sensorml.schema import Json
from sensorml.types import AlarmState, SensorState, State

UID = "sensorml"

_STREAM = ("device", "sensor", "model")
_SENSOR = ("device", "sensor")
_COLOURS: dict[str, str] = {
    State.NORMAL: "green",
    State.ANOMALY: "red",
    State.BASELINE_MISMATCH: "orange",
    State.UNKNOWN: "purple",
    AlarmState.ALARM: "red",
    AlarmState.DISARMED: "blue",
    SensorState.STARTING: "blue",
    SensorState.OK: "green",
    SensorState.OVERRUN: "yellow",
    SensorState.OFF_RATE: "yellow",
    SensorState.CLIPPED: "yellow",
    SensorState.STALE: "orange",
    SensorState.FROZEN: "orange",
    SensorState.DISTURBED: "orange",
    SensorState.ABSENT: "red",
    SensorState.WRONG_CHIP: "red",
    SensorState.DENIED: "red",
    SensorState.ENDED: "text",
}


def dashboard() -> Json:
    """Return the whole dashboard, ready for `json.dumps`."""
    return {
        "uid": UID,
        "title": "sensorml",
        "description": "Vibration monitoring: scores, alarms, delays",
        "tags": ["sensorml"],
        "schemaVersion": 42,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "10s",
        "timezone": "browser",
        "templating": {
            "list": [
                _variable("device", measurement="sensor"),
                _variable("sensor", measurement="sensor", chosen=["device"]),
                _variable(
                    "model", measurement="prediction", chosen=["device", "sensor"]
                ),
                _variable("stage", measurement="timing", chosen=_STREAM),
            ]
        },
        "panels": arrange(
            [
                [_score()],
                [_window_state(), _alarm_state()],
                [_alarms(), _events()],
                [_sample_to_result(), _stages()],
                [_quality(), _windows_per_minute()],
                [_sensor_state(), _missed(), _rate()],
            ]
        ),
    }


def _score() -> Panel:
    return time_series(
        "Score against threshold",
        query(
            queries.series("prediction", 'max("score") AS "score"', by=_STREAM),
            alias="$tag_device $tag_sensor $tag_model score",
        ),
        query(
            queries.series(
                "prediction", 'last("threshold") AS "threshold"', by=_STREAM
            ),
            alias="$tag_device $tag_sensor $tag_model threshold",
        ),
        description="The highest score of each interval; larger is stranger.",
        overrides=[dashed("/threshold$/", "red")],
    )


def _window_state() -> Panel:
    return timeline(
        "Window state",
        query(
            queries.series("prediction", 'last("state") AS "state"', by=_STREAM),
            alias="$tag_device $tag_sensor $tag_model",
        ),
        description="The last window of each interval.",
        colours=_COLOURS,
    )


def _alarm_state() -> Panel:
    return timeline(
        "Alarm state",
        query(
            queries.changes("alarm", "state", by=("device", "alarm"), chosen=_STREAM),
            alias="$tag_device $tag_alarm",
        ),
        description="Starts at the first change in the time range.",
        colours=_COLOURS,
    )


def _alarms() -> Panel:
    columns = ("device", "alarm", "state", "previous", "reason", "score", "threshold")
    return table(
        "Alarms",
        query(queries.newest("alarm", *columns, chosen=_STREAM)),
        overrides=[column("state", _COLOURS), column("previous", _COLOURS)],
    )


def _events() -> Panel:
    columns = ("device", "kind", "subject", "state", "previous", "detail", "value")
    return table("Events", query(queries.newest("event", *columns, chosen=("device",))))


def _sample_to_result() -> Panel:
    percentiles = (
        'mean("p50_ns") AS "p50"',
        'max("p95_ns") AS "p95"',
        'max("p99_ns") AS "p99"',
    )
    return time_series(
        "Delay from sample to result",
        query(
            queries.series(
                "timing",
                *percentiles,
                by=_STREAM,
                where="\"stage\" = 'sample_to_result'",
            ),
            alias="$tag_device $tag_sensor $tag_model $col",
        ),
        description="From a window's last sample to its result: the mean of the "
        "p50 and the worst p95 and p99 of each interval.",
        unit="ns",
    )


def _stages() -> Panel:
    return time_series(
        "Delay of each stage, p95",
        query(
            queries.series(
                "timing",
                'max("p95_ns") AS "p95"',
                by=(*_STREAM, "stage"),
                chosen=(*_STREAM, "stage"),
            ),
            alias="$tag_device $tag_sensor $tag_model $tag_stage",
        ),
        unit="ns",
    )


def _quality() -> Panel:
    return time_series(
        "Missing samples",
        query(
            queries.series("prediction", '1 - min("quality") AS "missing"', by=_STREAM),
            alias="$tag_device $tag_sensor $tag_model",
        ),
        description="Of the worst window of each interval, the share without samples.",
        unit="percentunit",
    )


def _windows_per_minute() -> Panel:
    return time_series(
        "Windows per minute",
        query(
            queries.series(
                "prediction", 'count("quality") AS "windows"', by=_STREAM, every="1m"
            ),
            alias="$tag_device $tag_sensor $tag_model",
        ),
        unit="short",
    )


def _sensor_state() -> Panel:
    return timeline(
        "Sensor state",
        query(
            queries.series(
                "sensor", 'last("state") AS "state"', by=_SENSOR, chosen=_SENSOR
            ),
            alias="$tag_device $tag_sensor",
        ),
        description="At the end of each interval; shorter changes are events.",
        colours=_COLOURS,
    )


def _missed() -> Panel:
    return time_series(
        "Samples missed",
        query(
            queries.series(
                "sensor", 'sum("missed") AS "missed"', by=_SENSOR, chosen=_SENSOR
            ),
            alias="$tag_device $tag_sensor",
        ),
        description="Samples lost in each interval.",
        unit="short",
    )


def _rate() -> Panel:
    return time_series(
        "True rate",
        query(
            queries.series(
                "sensor", 'mean("rate_hz") AS "rate"', by=_SENSOR, chosen=_SENSOR
            ),
            alias="$tag_device $tag_sensor",
        ),
        description="Samples a second by the sensor's own clock; "
        "empty while no sample arrives.",
        unit="hertz",
    )


def _variable(
    name: str, *, measurement: str, chosen: list[str] | tuple[str, ...] = ()
) -> Json:
    """Return a template variable that offers the values of a tag.

    "All" includes rows without the tag, such as an alarm without a model.
    """
    return {
        "type": "query",
        "name": name,
        "label": name.capitalize(),
        "datasource": DATA_SOURCE,
        "query": queries.tag_values(name, measurement, chosen),
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
