"""Rows that arrive as text, from other programs or over a network.

A row is numbers between blanks, commas or semicolons; a JSON list of them; or a
JSON object of which `fields` names the members. A JSON list of lists or of
objects is several rows, oldest first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from sensorml.acquisition.polled import Rate
from sensorml.errors import OptionError
from sensorml.interfaces import Cures, SensorOptions
from sensorml.types import Channel

MAX_BYTES: Final = 65_536
"""The longest line or message that is parsed."""

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")
_YEAR_2001_S: Final = 978_307_200
_YEAR_2096_S: Final = 4_000_000_000
_PER_S: Final = (1, 10**3, 10**6, 10**9)
_SHOWN: Final = 60

Name = Annotated[str, Meta(min_length=1)]


class TextOptions(SensorOptions, frozen=True, kw_only=True):
    """The keys that describe a line or a message; a driver adds its own."""

    fields: Annotated[tuple[Name, ...], Meta(min_length=1)] | None = None
    """Members of a JSON object, one a channel; "a.b" is b in a."""
    channels: Annotated[tuple[Name, ...], Meta(min_length=1)] | None = None
    """Without fields: the names of the numbers of a row, in their order."""
    unit: str = ""
    """The unit of all channels."""
    rate_hz: Annotated[Rate, Meta(le=1000)] = 1.0
    """The expected rows per second; rows that do not come count as missed."""

    def __post_init__(self) -> None:
        if self.fields is not None and self.channels is not None:
            raise OptionError(
                "has both fields and channels",
                "fields for JSON objects, channels for plain numbers",
            )
        if len(set(self.names)) < len(self.names):
            raise OptionError("names a channel twice", "rename or remove one")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of a row."""
        return self.fields or self.channels or ("value",)

    @property
    def period_s(self) -> float:
        """The time between two reads, so that a row waits a quarter of its period."""
        return min(1.0, max(0.05, 0.25 / self.rate_hz))


class TextRow(NamedTuple):
    """One row, and the time at which it was taken, if the sender gives one."""

    values: tuple[float, ...]
    utc_ns: int | None = None


def channels(options: TextOptions) -> Sequence[Channel]:
    return tuple(Channel(name, options.unit) for name in options.names)


def cures(check: str) -> Cures:
    """Return the cures of a sensor whose rows another program sends."""
    overrun = "set rate_hz to the rate of the rows or give the computer less to do"
    return Cures(overrun=overrun, frozen=check, stale=check)


def parse(text: bytes, options: TextOptions, time_field: str = "") -> list[TextRow]:
    """Turn one line or message into its rows; an empty JSON list has none.

    With `time_field` that member of an object is the row's time: ISO 8601, UTC
    unless it names an offset, or s, ms, µs or ns since 1970.

    >>> two = TextOptions(channels=("x", "y"))
    >>> [row.values for row in parse(b"1.5; -2", two)]
    [(1.5, -2.0)]
    >>> [row.values for row in parse(b"[[1, 2], [3, 4]]", two)]
    [(1.0, 2.0), (3.0, 4.0)]
    >>> named = TextOptions(fields=("temp.c",))
    >>> parse(b'{"id": 7, "temp": {"c": "21.5"}, "t": 1700000000.5}', named, "t")
    [TextRow(values=(21.5,), utc_ns=1700000000500000000)]

    Raises:
        ValueError: the text is no row; the message gives the reason.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"{len(text)} bytes, more than the {MAX_BYTES} of a row")
    shown = repr(text[:_SHOWN].decode(errors="replace"))
    try:
        return [_row(each, options, time_field) for each in _split(text.strip())]
    except ValueError as err:
        raise ValueError(f"{shown}: {err}") from err


def _split(text: bytes) -> list[object]:
    """Return the rows, each a list of numbers or texts, or an object."""
    if not text.startswith((b"[", b"{")):
        # Two commas in a row leave an empty text, which is no number.
        return [_BETWEEN.split(text.decode("utf-8", errors="replace"))]
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as err:
        raise ValueError("it begins like JSON but cannot be decoded") from err
    if isinstance(found, list) and all(isinstance(e, list | dict) for e in found):
        return found
    return [found]


def _row(found: object, options: TextOptions, time_field: str) -> TextRow:
    names = options.names
    utc_ns = None
    if options.fields is not None:
        values: list[object] = [_member(found, name) for name in names]
        utc_ns = _utc_ns(_member(found, time_field)) if time_field else None
    elif isinstance(found, list):
        values = found
    else:
        raise ValueError("an object: name its members in fields")
    if len(values) != len(names):
        raise ValueError(
            f"{len(values)} values, and not the {len(names)} of {', '.join(names)}"
        )
    return TextRow(tuple(map(_number, values)), utc_ns)


def _member(found: object, name: str) -> object:
    """Return the member `name` of an object, or b of its member a for "a.b"."""
    if not isinstance(found, dict):
        raise ValueError(f"no object, so it has no {name!r}")  # noqa: TRY004
    if name in found:
        return found[name]
    first, dot, rest = name.partition(".")
    if dot and first in found:
        return _member(found[first], rest)
    raise ValueError(f"there is no {name!r} in it")


def _number(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int | float):
        raise ValueError(f"{value!r:.60} is no number")  # noqa: TRY004
    # Compared first: the largest whole numbers of JSON fit no float. NaN is not
    # between any two.
    if not -_FLOAT32_MAX <= number <= _FLOAT32_MAX:
        raise ValueError(f"{value!r:.60} is beyond what a sample holds")
    return float(number)


def _utc_ns(value: object) -> int:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            since = moment - datetime.fromtimestamp(0, UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"{value[:_SHOWN]!r} is no time of ISO 8601") from None
        microseconds = (since.days * 86_400 + since.seconds) * 10**6
        return (microseconds + since.microseconds) * 1000
    if isinstance(value, int | float) and not isinstance(value, bool):
        for per_s in _PER_S:
            if _YEAR_2001_S * per_s <= value < _YEAR_2096_S * per_s:
                whole = value * (10**9 // per_s)
                return round(whole)
    raise ValueError(f"{value!r:.60} is no time since 2001 in s, ms, µs or ns")
