"""Units of samples: how loggers spell them, and how they convert."""

from __future__ import annotations

import re
from typing import Final

_SPELLINGS: Final = {
    "g": "g",
    "gn": "g",
    "g0": "g",
    "gee": "g",
    "gees": "g",
    "g_n": "g",
    "mg": "mg",
    "milli-g": "mg",
    "ug": "µg",
    "µg": "µg",
    "m/s²": "m/s^2",
    "m/s^2": "m/s^2",
    "m/s2": "m/s^2",
    "m/s**2": "m/s^2",
    "m/s/s": "m/s^2",
    "ms-2": "m/s^2",
    "ms^-2": "m/s^2",
    "m·s⁻²": "m/s^2",
    "m/sec^2": "m/s^2",
    "m/sec2": "m/s^2",
    "m s-2": "m/s^2",
    "m s^-2": "m/s^2",
    "mm/s²": "mm/s^2",
    "mm/s^2": "mm/s^2",
    "mm/s2": "mm/s^2",
    "m/s": "m/s",
    "mm/s": "mm/s",
    "in/s": "in/s",
    "ips": "in/s",
    "counts": "counts",
    "count": "counts",
    "lsb": "counts",
    "raw": "counts",
    "adc": "counts",
    "°c": "degC",
    "degc": "degC",
    "deg c": "degC",
    "c": "degC",
    "°f": "°F",
    "degf": "°F",
    "k": "K",
    "v": "V",
    "mv": "mV",
    "µv": "µV",
    "uv": "µV",
    "a": "A",
    "ma": "mA",
    "w": "W",
    "kw": "kW",
    "hz": "Hz",
    "rpm": "rpm",
    "1/min": "rpm",
    "%": "%",
    "%rh": "%RH",
    "% rh": "%RH",
    "rh": "%RH",
    "pa": "Pa",
    "hpa": "hPa",
    "kpa": "kPa",
    "mbar": "mbar",
    "bar": "bar",
    "psi": "psi",
    "db": "dB",
    "dba": "dBA",
    "dps": "°/s",
    "deg/s": "°/s",
    "°/s": "°/s",
    "rad/s": "rad/s",
    "µt": "µT",
    "ut": "µT",
    "mm": "mm",
    "µm": "µm",
    "um": "µm",
    "m": "m",
    "n": "N",
    "nm": "Nm",
    "l/min": "l/min",
}
_G: Final = 9.80665  # m/s², standard gravity, ISO 80000-3
_FACTORS: Final = {
    "g": ("acceleration", _G),
    "mg": ("acceleration", _G * 1e-3),
    "µg": ("acceleration", _G * 1e-6),
    "m/s^2": ("acceleration", 1.0),
    "mm/s^2": ("acceleration", 1e-3),
    "m/s": ("velocity", 1.0),
    "mm/s": ("velocity", 1e-3),
    "in/s": ("velocity", 0.0254),
    "V": ("voltage", 1.0),
    "mV": ("voltage", 1e-3),
    "µV": ("voltage", 1e-6),
    "A": ("current", 1.0),
    "mA": ("current", 1e-3),
    "Pa": ("pressure", 1.0),
    "hPa": ("pressure", 100.0),
    "mbar": ("pressure", 100.0),
    "kPa": ("pressure", 1e3),
    "bar": ("pressure", 1e5),
}
_BRACKETS = re.compile(r"(.*?)[\s_]*[\(\[{<]\s*([^()\[\]{}<>]*?)\s*[\)\]}>]\s*")


def spelled(text: str) -> str:
    """Return our spelling of a unit, "" where it is none we know.

    >>> spelled("[m/s^2]"), spelled("LSB"), spelled("hall")
    ('m/s^2', 'counts', '')
    """
    bare = text.strip().strip("()[]{}").strip().lower().replace("μ", "µ")
    return _SPELLINGS.get(bare, "")


def name_and_unit(name: str) -> tuple[str, str]:
    """Split a column's name from the unit in brackets at its end.

    >>> name_and_unit("Acceleration x (m/s^2)")
    ('Acceleration x', 'm/s^2')
    >>> name_and_unit("acc (x)")
    ('acc (x)', '')
    """
    match = _BRACKETS.fullmatch(name)
    unit = spelled(match[2]) if match else ""
    return (match[1], unit) if match and unit and match[1] else (name, "")


def factor(unit: str, target: str) -> float | None:
    """Return what samples in `unit` are multiplied by to be in `target`.

    None where the one does not convert to the other.

    >>> factor("mg", "g")
    0.001
    """
    if unit == target:
        return 1.0
    kind, size = _FACTORS.get(spelled(unit), ("", 0.0))
    other, target_size = _FACTORS.get(spelled(target), ("-", 1.0))
    return size / target_size if kind == other else None
