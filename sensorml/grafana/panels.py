"""The kinds of Grafana panels on the dashboard, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sensorml.schema import Json

Panel = Json
Query = Json

DATA_SOURCE: Json = {"type": "influxdb", "uid": "sensorml"}

_COLUMNS = 24
_HEIGHT = 8


def arrange(rows: Sequence[Sequence[Panel]]) -> list[Panel]:
    """Return the panels with id and position; panels of a row share its width."""
    arranged: list[Panel] = []
    for y, row in enumerate(rows):
        width = _COLUMNS // len(row)
        for x, panel in enumerate(row):
            position = {"x": x * width, "y": y * _HEIGHT, "w": width, "h": _HEIGHT}
            arranged.append({"id": len(arranged) + 1, **panel, "gridPos": position})
    return arranged


def query(text: str, *, alias: str = "") -> Query:
    """Return an InfluxQL query: series named by `alias`, or a table without one."""
    return {
        "datasource": DATA_SOURCE,
        "rawQuery": True,
        "query": text,
        "resultFormat": "time_series" if alias else "table",
        **({"alias": alias} if alias else {}),
    }


def time_series(
    title: str,
    *targets: Query,
    description: str = "",
    unit: str = "none",
    overrides: Sequence[Json] = (),
) -> Panel:
    """Return a panel of lines over time."""
    style = {"drawStyle": "line", "lineWidth": 1, "showPoints": "auto"}
    return {
        **_panel("timeseries", title, targets, description),
        "options": {
            "legend": {
                "showLegend": True,
                "displayMode": "list",
                "placement": "bottom",
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "fieldConfig": {
            "defaults": {"unit": unit, "custom": style},
            "overrides": list(overrides),
        },
    }


def timeline(
    title: str, *targets: Query, colours: Mapping[str, str], description: str = ""
) -> Panel:
    """Return a panel with a bar for each series, coloured by its state."""
    return {
        **_panel("state-timeline", title, targets, description),
        "options": {
            "mergeValues": True,
            "showValue": "auto",
            "rowHeight": 0.9,
            "alignValue": "left",
            "legend": {
                "showLegend": False,
                "displayMode": "list",
                "placement": "bottom",
            },
            "tooltip": {"mode": "single", "sort": "none"},
        },
        "fieldConfig": {
            "defaults": {
                "mappings": _mappings(colours),
                "custom": {"fillOpacity": 80, "lineWidth": 0},
            },
            "overrides": [],
        },
    }


def table(title: str, *targets: Query, overrides: Sequence[Json] = ()) -> Panel:
    """Return a panel that lists rows."""
    return {
        **_panel("table", title, targets, ""),
        "options": {"showHeader": True, "cellHeight": "sm"},
        "fieldConfig": {"defaults": {}, "overrides": list(overrides)},
    }


def dashed(names: str, colour: str) -> Json:
    """Return the override that draws the series of these names as limits."""
    return _override(
        "byRegexp",
        names,
        {
            "color": {"mode": "fixed", "fixedColor": colour},
            "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
        },
    )


def column(name: str, colours: Mapping[str, str]) -> Json:
    """Return the override that colours the cells of a column by their text."""
    return _override(
        "byName",
        name,
        {
            "mappings": _mappings(colours),
            "custom.cellOptions": {"type": "color-text"},
        },
    )


def _panel(kind: str, title: str, targets: Sequence[Query], description: str) -> Panel:
    return {
        "type": kind,
        "title": title,
        **({"description": description} if description else {}),
        "datasource": DATA_SOURCE,
        "targets": [
            {"refId": ref, **target}
            for ref, target in zip("ABCDEF", targets, strict=False)
        ],
    }


def _override(matcher: str, what: str, properties: Mapping[str, object]) -> Json:
    return {
        "matcher": {"id": matcher, "options": what},
        "properties": [{"id": id_, "value": v} for id_, v in properties.items()],
    }


def _mappings(colours: Mapping[str, str]) -> list[Json]:
    return [
        {
            "type": "value",
            "options": {
                str(text): {"color": colour, "index": index}
                for index, (text, colour) in enumerate(colours.items())
            },
        }
    ]
