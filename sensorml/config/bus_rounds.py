"""The time that slow sensors take on a thread that they share, against their rates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sensorml.config.tables import Sensor
from sensorml.errors import Problem, Reason
from sensorml.interfaces import Conversion

_NAMED: Final = 8
"""The most sensors that a message names."""


class Round(NamedTuple):
    """One visit to each slow sensor on a thread: its duration, and the load."""

    together_s: float
    """If they can all measure at the same time."""
    apart_s: float
    """If each measures when the one before it has been read."""
    load: float
    """The share of the time that the thread is busy if they measure together."""
    text: str
    """The conversions, for messages: "oil 0.762 s, water 0.762 s"."""


def rounds(sensors: Iterable[Sensor]) -> dict[str, Round]:
    """Return the round of each thread that has slow sensors."""
    threads: dict[str, list[tuple[Sensor, Conversion]]] = {}
    for sensor in sensors:
        if (conversion := sensor.options.conversion) is not None:
            thread = sensor.options.thread or sensor.name
            threads.setdefault(thread, []).append((sensor, conversion))
    return {thread: _round(slow) for thread, slow in threads.items()}


def _round(slow: list[tuple[Sensor, Conversion]]) -> Round:
    rates = [(sensor.options.rate_hz or 0.0, times) for sensor, times in slow]
    wait_s = max(times.wait_s for _, times in rates)
    reads_s = sum(times.read_s for _, times in rates)
    return Round(
        together_s=wait_s + reads_s,
        apart_s=sum(map(sum, (times for _, times in rates))),
        load=wait_s * max(rate for rate, _ in rates)
        + sum(rate * times.read_s for rate, times in rates),
        text=_text(slow),
    )


def _text(slow: list[tuple[Sensor, Conversion]]) -> str:
    if len(slow) > _NAMED:
        longest_s = max(sum(times) for _, times in slow)
        return f"{len(slow)} sensors of up to {longest_s:.3g} s"
    return ", ".join(f"{s.name} {sum(times):.3g} s" for s, times in slow)


def report(
    sensors: Mapping[str, Sensor], file: str
) -> tuple[list[Problem], list[Problem]]:
    """Return the errors and the warnings about sensors that are too slow.

    Args:
        sensors: by their place in the file, "sensor[0]".
        file: the name of the file.
    """
    errors, warnings = [], []
    times = rounds(sensors.values())
    reported = set()
    for place, (name, _, options, stale_after_s) in sensors.items():
        thread = options.thread or name
        if options.conversion is None or (visits := times.get(thread)) is None:
            continue
        if visits.load > 1 and thread not in reported:
            reported.add(thread)
            errors.append(Problem(file, f"{place}.rate_hz", *_overload(thread, visits)))
        if stale_after_s is None or stale_after_s > visits.apart_s:
            continue
        what = f"is {stale_after_s:g}, and a round of {thread} takes "
        key = f"{place}.stale_after_s"
        if stale_after_s <= visits.together_s:
            what += f"{visits.together_s:.2g} s ({visits.text}, measured together)"
            cure = f"give more, or leave it out for {2 * visits.apart_s:.2g} s or more"
            errors.append(Problem(file, key, what, cure))
        else:
            what += f"{visits.apart_s:.2g} s where the sensors measure one by one"
            cure = "give more, or read in docs/hardware.md how they measure together"
            warnings.append(Problem(file, key, what, cure))
    return errors, warnings


def _overload(thread: str, visits: Round) -> Reason:
    most_hz = math.floor(100 / visits.together_s) / 100
    what = (
        f"{thread} would be busy for {visits.load:.2f} s of each second "
        f"({visits.text}, measured together)"
    )
    cure = (
        f"lower rate_hz of all to {most_hz:g}, measure with fewer bits, or use fewer "
        "sensors"
    )
    return Reason(what, cure)
