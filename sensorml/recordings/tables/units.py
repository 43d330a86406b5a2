"""Units of samples: how loggers spell them, and how they convert."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.errors import RecordingError

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
_SHOWN: Final = 8
_BRACKETS = re.compile(r"(.*?)[\s_]*[\(\[{<]\s*([^()\[\]{}<>]*?)\s*[\)\]}>]\s*")


class Common(NamedTuple):
    """The unit of several channels."""

    unit: str
    """Empty where there is none for all of them."""
    factors: tuple[float, ...]
    """The factor of each channel, from its unit to `unit`."""
    remarks: tuple[str, ...] = ()
    """The reason why there is none, in words."""


def common_unit(
    path: Path, names: Sequence[str], units: Sequence[str], asked: str
) -> Common:
    """Return the common unit of channels, by the units in their file ("" for none).

    Raises:
        RecordingError: they have different ones, and one was asked for.

    >>> common_unit(Path("a.csv"), ("x", "y"), ("g", "mg"), "")
    Common(unit='g', factors=(1.0, 0.001), remarks=())
    """
    same = (1.0,) * len(names)
    first = next(filter(None, units), "")
    if not first:
        return Common(asked, same)
    factors = [factor(unit, first) if unit else None for unit in units]
    if all(each is not None for each in factors):
        return Common(first, tuple(each for each in factors if each is not None))
    pairs = zip(names[:_SHOWN], units, strict=False)
    shown = ", ".join(f"{name} in {unit or 'none'}" for name, unit in pairs)
    shown += ", …" if len(names) > _SHOWN else ""
    if asked:
        raise RecordingError(
            f"{path}: its channels have different units ({shown}), and {asked} was "
            "asked for: leave out --unit, or choose channels of one unit with "
            "--channels"
        )
    return Common("", same, (f"no common unit: {shown}",))


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
