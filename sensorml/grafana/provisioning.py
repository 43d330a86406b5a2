"""Provisioning files, which Grafana reads at its start (apiVersion 1).

Source: Grafana documentation, "Provision Grafana" and "Configure the InfluxDB
data source". Secrets are names of variables in Grafana's own environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sensorml.grafana.panels import DATA_SOURCE
from sensorml.schema import Json

Api = Literal["v1", "v2", "v3"]

_EXPRESSION: Json = {"type": "__expr__", "uid": "__expr__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database that holds the rows."""

    api: Api
    url: str
    name: str
    """Database (v1, v3) or bucket (v2). InfluxQL finds a v2 bucket by the name of
    its DBRP mapping, which is that of the bucket unless a mapping was made."""


def data_source(database: Database) -> Json:
    """Return the data source; its language is InfluxQL for every version.

    v1 uses INFLUX_USER and INFLUX_PASSWORD if it needs a login; v2 and v3 use
    INFLUX_TOKEN.
    """
    settings: Json = {
        "version": "InfluxQL",
        "dbName": database.name,
        "httpMode": "POST",
        "timeInterval": "1s",
    }
    if database.api == "v1":
        user: Json = {"user": "$INFLUX_USER"}
        secrets = {"password": "$INFLUX_PASSWORD"}
    else:
        user = {}
        settings["httpHeaderName1"] = "Authorization"
        secrets = {"httpHeaderValue1": "Token $INFLUX_TOKEN"}
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "sensorml",
                **DATA_SOURCE,
                "access": "proxy",
                "url": database.url,
                **user,
                "jsonData": settings,
                "secureJsonData": secrets,
                "editable": False,
            }
        ],
    }


def dashboard_provider(folder: str) -> Json:
    """Return the file that makes Grafana load the dashboards in `folder`."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "sensorml",
                "type": "file",
                "allowUiUpdates": True,
                "options": {"path": folder},
            }
        ],
    }


def alert_rules() -> Json:
    """Return two rules: an alarm went on, and no windows are judged.

    A "$" in queries and annotations is always Grafana's own, because Grafana
    inserts no environment variables there.
    """
    alarm = _rule(
        "sensorml-alarm",
        "An alarm went on",
        'SELECT count("state") FROM "alarm" WHERE "state" = \'alarm\' AND $timeFilter '
        'GROUP BY "device", "alarm"',
        range_s=600,
        fires={"type": "gt", "params": [0]},
        for_s=0,
        no_data="OK",
        summary="{{ $labels.alarm }} on {{ $labels.device }}",
    )
    silent = _rule(
        "sensorml-silent",
        "No windows are judged",
        'SELECT count("quality") FROM "prediction" WHERE $timeFilter '
        'GROUP BY time(5m), "device", "sensor", "model" fill(0)',
        range_s=3600,
        fires={"type": "lt", "params": [1]},
        for_s=300,
        no_data="Alerting",
        summary="{{ $labels.sensor }} on {{ $labels.device }} is silent",
    )
    group = {
        "orgId": 1,
        "name": "sensorml",
        "folder": "sensorml",
        "interval": "1m",
        "rules": [alarm, silent],
    }
    return {"apiVersion": 1, "groups": [group]}


def _rule(
    uid: str,
    title: str,
    text: str,
    *,
    range_s: int,
    fires: Json,
    for_s: int,
    no_data: Literal["OK", "Alerting"],
    summary: str,
) -> Json:
    """Return a rule that compares the newest count of a query with a number."""
    steps: list[Json] = [
        _step("A", DATA_SOURCE, rawQuery=True, query=text, resultFormat="time_series"),
        _step("B", _EXPRESSION, type="reduce", expression="A", reducer="last"),
        _step(
            "C",
            _EXPRESSION,
            type="threshold",
            expression="B",
            conditions=[{"evaluator": fires}],
        ),
    ]
    return {
        "uid": uid,
        "title": title,
        "condition": "C",
        "data": [
            {"relativeTimeRange": {"from": range_s, "to": 0}, **step} for step in steps
        ],
        "for": f"{for_s}s",
        "noDataState": no_data,
        "execErrState": "Error",
        "annotations": {"summary": summary},
    }


def _step(ref: str, source: Json, **model: object) -> Json:
    return {
        "refId": ref,
        "datasourceUid": source["uid"],
        "model": {"refId": ref, "datasource": source, **model},
    }
