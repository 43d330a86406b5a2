"""Conflicts: one GPIO line, address or device that two tables use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from sensorml.config.tables import Alarm, Config, Heartbeat, Meter, Model, Sensor
from sensorml.errors import OptionError, Problem
from sensorml.gpio.names import LABEL, LineName, line_of
from sensorml.interfaces import Claim, LineClaim
from sensorml.schema import Decoder

T = TypeVar("T")


class _HasLines(Protocol):
    def lines(self) -> Iterable[LineClaim]: ...


class _Conflict(NamedTuple):
    key: str
    what: str
    cure: str


def placed(key: str, tables: Iterable[T]) -> dict[str, T]:
    """Return the tables of a good configuration by their place, "sensor[0]"."""
    return {f"{key}[{i}]": table for i, table in enumerate(tables)}


def lines_in(config: Config) -> Iterator[LineClaim]:
    """Yield every GPIO line of a good configuration, with its whole key."""
    return lines_of(
        placed("sensor", config.sensors),
        placed("model", config.models),
        placed("alarm", config.alarms),
        placed("meter", config.meters),
        config.heartbeat,
    )


def lines_of(
    sensors: Mapping[str, Sensor],
    models: Mapping[str, Model],
    alarms: Mapping[str, Alarm],
    meters: Mapping[str, Meter],
    heartbeat: Heartbeat | None,
) -> Iterator[LineClaim]:
    """Yield every GPIO line, with its whole key; tables come by their place."""
    tables: dict[str, _HasLines] = {**alarms, **meters}
    if heartbeat is not None:
        tables["heartbeat"] = heartbeat
    tables |= {place: sensor.options for place, sensor in sensors.items()}
    for place, model in models.items():
        if model.trigger is not None:
            tables[f"{place}.trigger"] = model.trigger
    for place, table in tables.items():
        for claim in table.lines():
            yield claim._replace(key=f"{place}.{claim.key}")


def claims_of(sensors: Mapping[str, Sensor]) -> Iterator[Claim]:
    """Yield what the sensors use alone, with its whole key."""
    for place, sensor in sensors.items():
        for claim in sensor.options.claims():
            yield claim._replace(key=f"{place}.{claim.key}")


def report(
    decoder: Decoder, lines: Iterable[LineClaim], sensors: Mapping[str, Sensor]
) -> list[Problem]:
    """Report lines that do not exist, and what is used twice; return warnings.

    A warning is a use that only some machines have.
    """
    firsts: dict[tuple[LineName, str], str] = {}
    for key, name, purpose in lines:
        try:
            firsts.setdefault((line_of(name), purpose or key), key)
        except OptionError as err:
            decoder.problem(key, *err.reason)
    used = [(key, line) for (line, _), key in firsts.items()]
    claims = [Claim(key, f"GPIO line {line}") for key, line in used]
    claims += claims_of(sensors)
    for conflict in _shared(claim for claim in claims if claim.certain):
        decoder.problem(*conflict)
    doubts = [
        *_shared(claim for claim in claims if not claim.certain),
        *_on_a_pi(used, sensors),
    ]
    return [Problem(decoder.file, *doubt) for doubt in doubts]


def _shared(claims: Iterable[Claim]) -> Iterator[_Conflict]:
    """Yield what is claimed more than once, at the first key that claims it."""
    firsts: dict[tuple[str, str, str], Claim] = {}
    for claim in claims:
        use = claim.what, claim.part, claim.purpose or claim.key
        firsts.setdefault(use, claim)
    whole = {claim.what for claim in firsts.values() if not claim.part}
    keys: dict[str, list[str]] = {}
    for claim in firsts.values():
        part = "" if claim.what in whole else claim.part
        keys.setdefault(f"{claim.what} {part}".rstrip(), []).append(claim.key)
    for what, (first, *others) in keys.items():
        if others:
            times = "twice" if len(others) == 1 else f"{len(others) + 1} times"
            yield _Conflict(first, f"{what} is used {times}", _cure(*others))


def _cure(*others: str) -> str:
    if len(others) == 1:
        return f"{others[0]} uses it too, change one"
    return f"{', '.join(others)} use it too, leave it to one"


def _on_a_pi(
    lines: Sequence[tuple[str, LineName]], sensors: Mapping[str, Sensor]
) -> Iterator[_Conflict]:
    """Yield the lines that a bus or another name uses on a Raspberry Pi."""
    users: dict[LineName, str] = {line: key for key, line in lines}
    for place, sensor in sensors.items():
        bus = f"{place} ({sensor.options.thread})"
        users |= dict.fromkeys(sensor.options.pi_lines, bus)
    for key, line in lines:
        number = str(line).removeprefix(f"{LABEL}GPIO")
        user = users.get(int(number)) if number.isdecimal() else None
        if user is not None and user != key:
            what = f"{line} is line {number} on a Raspberry Pi"
            if isinstance(line, int):
                what = f"GPIO line {line} is used twice on a Raspberry Pi"
            yield _Conflict(key, what, _cure(user))
