"""InfluxQL over the measurements of `storage.line_protocol`, with Grafana's variables.

InfluxQL, because InfluxDB 1, 2 (by its 1.x compatibility) and 3 all accept it.
"""

from __future__ import annotations

from collections.abc import Sequence

_CHOSEN = {
    name: f'"{name}" =~ /^${name}$/' for name in ("device", "sensor", "model", "stage")
}
"""For each template variable, the condition that selects the chosen rows."""


def series(
    measurement: str,
    *columns: str,
    by: Sequence[str],
    chosen: Sequence[str] = ("device", "sensor", "model"),
    where: str = "",
    every: str = "$__interval",
) -> str:
    """Return one time series for each column and set of the tags in `by`.

    >>> series("prediction", 'max("score") AS "score"', by=["sensor"], chosen=[])
    ... # doctest: +NORMALIZE_WHITESPACE
    'SELECT max("score") AS "score" FROM "prediction" WHERE $timeFilter
     GROUP BY time($__interval), "sensor" fill(none)'
    """
    tags = ", ".join(f'"{tag}"' for tag in by)
    return (
        f"SELECT {', '.join(columns)} {_from(measurement, chosen, where)} "
        f"GROUP BY time({every}), {tags} fill(none)"
    )


def changes(
    measurement: str, column: str, *, by: Sequence[str], chosen: Sequence[str]
) -> str:
    """Return every row unchanged, one series for each set of the tags in `by`."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    return f'SELECT "{column}" {_from(measurement, chosen)} GROUP BY {tags}'


def newest(
    measurement: str, *columns: str, chosen: Sequence[str], limit: int = 200
) -> str:
    """Return the newest rows as a table, the newest first."""
    names = ", ".join(f'"{column}"' for column in columns)
    return (
        f"SELECT {names} {_from(measurement, chosen)} ORDER BY time DESC LIMIT {limit}"
    )


def tag_values(tag: str, measurement: str, chosen: Sequence[str] = ()) -> str:
    """Return the values that a template variable offers."""
    where = " AND ".join(_CHOSEN[name] for name in chosen)
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"' + (
        f" WHERE {where}" if where else ""
    )


def _from(measurement: str, chosen: Sequence[str], where: str = "") -> str:
    conditions = [*(_CHOSEN[name] for name in chosen), *filter(None, [where])]
    return f'FROM "{measurement}" WHERE ' + " AND ".join([*conditions, "$timeFilter"])
