"""The time column of a table, in ns.

ISO 8601 is UTC unless it has an offset, and exact to a microsecond. Numbers have
the unit at the end of the column's name (`timestamp_ms`). Without one, they are
dates if they are after 2001 in s, ms, µs or ns. Other numbers count from a zero
of their own: in ns if they are whole and 10 000 or more apart (100 kHz; in
seconds that would be hours), else in seconds. A float64 resolves UTC to 0.25 µs.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.recordings.recording import MAX_TIME_NS
from sensorml.recordings.segments import Float64, Int64

Stamps: TypeAlias = NDArray[np.generic]
"""The times in the file, (n,): float64, or texts as bytes."""

_TIME = re.compile(r"(?:t|time|timestamp|datetime)(?:_(s|ms|us|ns))?", re.IGNORECASE)
_UNIT_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_YEAR_2001_NS = 978_307_200e9
_APART = 10_000


def is_time(name: str) -> bool:
    """Return whether a column of this name holds the times."""
    return _TIME.fullmatch(name) is not None


def in_ns(path: Path, name: str, stamps: Stamps) -> Int64:
    """Return the times of all rows in ns.

    Raises:
        RecordingError: one is not a time, or their unit is ambiguous.
    """
    if stamps.dtype.kind == "S":
        return _iso_ns(path, name, stamps.tolist())
    values = stamps.astype(np.float64, copy=False)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values))) + 1
        raise RecordingError(
            f"{path}: row {row} has no time in column {name!r}: correct or remove it"
        )
    ns = values * _unit_ns(path, name, values)
    if np.abs(ns).max() > MAX_TIME_NS:
        raise RecordingError(
            f"{path}: the times in column {name!r} are beyond the year 2096: check "
            "their unit, and name it in the header, as in t_ms"
        )
    return np.round(ns).astype(np.int64)


def _unit_ns(path: Path, name: str, values: Float64) -> float:
    """Return the unit of a column in ns, by the rules of this module."""
    match = _TIME.fullmatch(name)
    if match and match[1]:
        return _UNIT_NS[match[1].lower()]
    step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
    far = step >= _APART and bool((values == np.floor(values)).all())
    first = float(values[0])
    date = next(
        (u for u, ns in _UNIT_NS.items() if _YEAR_2001_NS <= first * ns <= MAX_TIME_NS),
        "ns" if far else "s",
    )
    if far and date != "ns":
        raise RecordingError(
            f"{path}: the times in column {name!r} may be {date} or ns: name the "
            f"column {name}_{date} or {name}_ns"
        )
    return _UNIT_NS[date]


def _iso_ns(path: Path, name: str, stamps: list[bytes]) -> Int64:
    times: list[datetime] = []
    for row, stamp in enumerate(stamps, 1):
        try:
            time = datetime.fromisoformat(stamp.decode())
            offset = time.utcoffset()
            times.append(time if offset is None else time.replace(tzinfo=None) - offset)
        except (ValueError, OverflowError) as err:
            raise RecordingError(
                f"{path}: row {row} has {stamp.decode('latin-1')!r} in column "
                f"{name!r}, which is neither a number nor an ISO 8601 time: correct "
                "or remove the row"
            ) from err
    us = np.array(times, "datetime64[us]").astype(np.int64)
    limit = MAX_TIME_NS // 1000 + 1  # later times are refused
    return np.clip(us, -limit, limit) * 1000
