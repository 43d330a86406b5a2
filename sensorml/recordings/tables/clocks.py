"""Time columns of tables: their names, their units, and whether they run.

A unit comes from the column's name, else from `--time-unit`, else from the
date that the numbers would be, else from the rate they would give. Two units
that are both plausible are asked about and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from sensorml.errors import RecordingError
from sensorml.recordings.segments import Float64

UNITS_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}
EXCEL, MATLAB = "excel", "matlab"
DAY_ZERO: Final = {EXCEL: 25_569, MATLAB: 719_529}
"""The numbers of 1970-01-01, in days."""
TIME_UNITS: Final = (*UNITS_NS, EXCEL, MATLAB, "dmy", "mdy")
"""The values of `--time-unit`."""
RATE_TOLERANCE: Final = 0.05
_WORDS: Final = {
    "ns": "ns nsec nanos nanosec nanosecond nanoseconds nanosekunden",
    "us": "us µs μs usec usecs micros microsec microsecond microseconds mikrosekunden",
    "ms": "ms msec msecs millis millisec millisecs millisecond milliseconds "
    "millisekunden milisekundy milisegundos millisecondes",
    "s": "s sec secs second seconds sekunden sekundy segundos secondes",
    "min": "min mins minute minutes minuten minuty minutos",
    "h": "h hr hrs hour hours stunden godziny horas heures",
    "d": "d day days tage dni dias jours",
}
_UNIT_OF: Final = {w: unit for unit, words in _WORDS.items() for w in words.split()}
_STRONG: Final = frozenset(
    [
        "t",
        "time",
        "times",
        "timestamp",
        "timestamps",
        "ts",
        "datetime",
        "date",
        "epoch",
        "epoc",
        "elapsed",
        "clock",
        "unix",
        "unixtime",
        "uptime",
        "utc",
        "zeit",
        "uhrzeit",
        "zeitstempel",
        "datum",
        "tijd",
        "tempo",
        "czas",
        "hora",
        "fecha",
        "heure",
        "temps",
        "horodatage",
        "changed",
        "updated",
    ]
) | {w for w in _UNIT_OF if len(w) > 2 or w in {"ms", "us", "µs", "ns"}}
_FILLERS: Final = frozenset(
    [
        "since",
        "start",
        "started",
        "stamp",
        "local",
        "gmt",
        "iso",
        "iso8601",
        "system",
        "device",
        "global",
        "last",
        "relative",
        "rel",
        "logged",
        "created",
        "recorded",
        "at",
        "in",
        "the",
        "from",
        "begin",
        "end",
        "stop",
        "boot",
        "abs",
        "absolute",
        "logging",
        "sample",
        "sampling",
        "log",
        "event",
        "host",
        "server",
        "arduino",
        "esp",
        "phone",
        "of",
        "run",
        "running",
        "hh",
        "mm",
        "ss",
        "dd",
        "yy",
        "yyyy",
        "sss",
        "fff",
        "lokal",
        "sensor",
    ]
)
_FASTEST_HZ: Final = 2e5
_YEAR_2001_S: Final = 978_307_200
_YEAR_2096_S: Final = 4 * 10**9
_APART = 10_000  # s: whole numbers further apart may as well be µs or ns


class Name(NamedTuple):
    """The meaning of a column for time, from its name."""

    unit: str
    """"" where it has none."""
    sure: bool
    """True if it is more than the letter t, which is a temperature as well."""


def time_name(name: str) -> Name | None:
    """Read the name of a column, None where it names no time.

    >>> time_name("epoc (ms)"), time_name("seconds_elapsed"), time_name("temp")
    (Name(unit='ms', sure=True), Name(unit='s', sure=True), None)
    """
    if re.fullmatch(r"x[_ ]?value", name.strip(), re.IGNORECASE):
        return Name("s", sure=True)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+", spaced.lower())
    if not words or not any(word in _STRONG for word in words):
        return None
    if any(w not in _STRONG and w not in _FILLERS and w not in _UNIT_OF for w in words):
        return None
    if words in (["temps"], ["tempo"]):
        return Name("", sure=False)  # temperatures, and a musician's pace
    units = [_UNIT_OF[word] for word in words if word in _UNIT_OF]
    return Name(units[-1] if units else "", sure=len(words[0]) > 1 or len(words) > 1)


def order_in_name(name: str) -> str:
    """Return `dmy` or `mdy` where a name has it, as in `Date (dd/mm/yyyy)`."""
    low = name.lower()
    if re.search(r"d{1,2}\W?m{1,2}\W?y", low):
        return "dmy"
    return "mdy" if re.search(r"m{1,2}\W?d{1,2}\W?y", low) else ""


def runs(values: Float64) -> bool:
    """Return whether numbers rise like a clock: a few may be swapped or repeat."""
    finite = values[np.isfinite(values)]
    if len(finite) < 2 or len(finite) < 0.6 * len(values):
        return False
    steps = np.diff(finite)
    back = int(np.count_nonzero(steps < 0))
    if back > max(0.05 * len(steps), 1 if len(steps) > 4 else 0):
        return False
    return int(np.count_nonzero(steps > 0)) > 4 * back


def counts(values: Float64) -> bool:
    """Return whether numbers count rows: whole, and mostly one apart."""
    finite = values[np.isfinite(values)]
    if len(finite) < 2 or (finite != np.floor(finite)).any():
        return False
    return float(np.mean(np.diff(finite) == 1)) > 0.9


def choose_unit(
    path: Path, name: str, values: Float64, *, named: str, rate_hz: float | None
) -> str:
    """Return the unit of a column of numbers.

    Args:
        path: Where it is, for the messages.
        name: Of the column, for the messages.
        values: The first of them.
        named: The unit in the name, or by --time-unit.
        rate_hz: The rate that was given.

    Raises:
        RecordingError: two units are plausible, or none.
    """
    finite = values[np.isfinite(values)]
    if named or len(finite) < 2:
        return named or "s"
    steps = _steps(finite)
    whole = bool((finite == np.floor(finite)).all())
    plausible = _plausible(finite, steps[0], whole=whole)
    if rate_hz is not None:
        fits = [u for u in UNITS_NS if any(_fits(s, u, rate_hz) for s in steps)]
        if len(fits) == 1:
            return fits[0]
    if len(plausible) == 1:
        return plausible[0]
    rates = ", ".join(f"{_rate(steps[0], u):.4g} Hz in {u}" for u in plausible)
    step = f"steps of {steps[0]:.6g} in column {name!r}"
    if not plausible:
        raise RecordingError(
            f"{path}: {step} are no rate in any unit of time: choose another column "
            "with --time, or give --time-unit"
        )
    note = f", and --rate {rate_hz:g} fits none" if rate_hz is not None else ""
    raise RecordingError(
        f"{path}: {step} may be {rates}{note}: choose one with --time-unit"
    )


def unit_ns(unit: str) -> int:
    return UNITS_NS["d"] if unit in DAY_ZERO else UNITS_NS[unit]


def _steps(finite: Float64) -> tuple[float, ...]:
    """Return the usual step, and the mean one."""
    steps = np.diff(finite)
    mean = float(finite[-1] - finite[0]) / len(steps)
    usual = float(np.median(steps))
    return (usual, mean) if usual > 0 else (mean,)


def _rate(step: float, unit: str) -> float:
    return 1e9 / (step * unit_ns(unit)) if step > 0 else 0.0


def _fits(step: float, unit: str, rate_hz: float) -> bool:
    return abs(_rate(step, unit) / rate_hz - 1) <= RATE_TOLERANCE


def _plausible(finite: Float64, step: float, *, whole: bool) -> list[str]:
    """Return the units that numbers without one may have."""
    first = float(finite[0])
    dated = [
        unit
        for unit in ("s", "ms", "us", "ns")
        if _YEAR_2001_S <= first * UNITS_NS[unit] * 1e-9 <= _YEAR_2096_S
        and _rate(step, unit) <= _FASTEST_HZ
    ]
    if dated:
        unit = dated[0]
        if unit == "s" and whole and step >= _APART:
            return ["s", "us", "ns"]
        return [unit]
    if not whole:
        return _of_fractions(first, step)
    return [
        unit
        for unit, least, most in (
            ("s", 1, 86_400),
            ("ms", 1, 3.6e6),
            ("us", 5, 1e8),
            ("ns", 5e3, 1e10),
        )
        if least <= step <= most
    ]


def _of_fractions(first: float, step: float) -> list[str]:
    """Return the units of numbers with decimals: s, unless days are as likely."""
    days = [
        unit
        for unit, low, high in ((EXCEL, 30_000, 70_000), (MATLAB, 690_000, 800_000))
        if low <= first <= high and 4e-9 <= step <= 1.0
    ]
    if days:
        return (["s"] if step >= 1e-4 else []) + days
    if step < 1.0:
        return ["s"] if _rate(step, "s") <= _FASTEST_HZ else []
    return [u for u in ("s", "ms", "us") if step <= 1e3 or u != "s"][
        : 3 if step >= 5 else 2
    ]


def describe(names: Sequence[str]) -> str:
    return " + ".join(repr(name) for name in names)
