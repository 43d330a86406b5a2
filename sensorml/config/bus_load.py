"""The load of each I2C bus, against the speed of the bus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sensorml import plugins
from sensorml.config.tables import Bus, Sensor
from sensorml.errors import Problem

FAST_HZ: Final = 400_000
USUAL_HZ: Final = 100_000
"""The speed of a bus without a [[bus]] table."""

_PI_3_HZ: Final = 250_000  # of a Pi 3 that is set to FAST_HZ


def report(
    sensors: Mapping[str, Sensor], buses: Mapping[str, Bus], file: str
) -> tuple[list[Problem], list[Problem]]:
    """Return the errors and the warnings about the load of the buses.

    Args:
        sensors: by their place in the file, "sensor[0]".
        buses: the `[[bus]]` tables by theirs.
        file: the name of the file.
    """
    errors, speeds = _speeds(sensors.values(), buses, file)
    warnings: list[Problem] = []
    for bus, shares in _shares(sensors).items():
        total = sum(share.bits_per_s for share in shares)
        heaviest = max(shares, key=lambda share: share.bits_per_s)
        each = ", ".join(f"{s.name} {_kilo(s.bits_per_s)}" for s in shares)
        what = f"{bus} would carry {_kilo(total)} kbit/s ({each})"
        key, most_hz = f"{heaviest.place}.rate_hz", speeds.get(bus, FAST_HZ)
        if total > most_hz:
            cure = (
                f"a bus at {_kilo(most_hz)} kHz carries {_kilo(most_hz)}, lower "
                f"rate_hz of {heaviest.name}, move one to another bus, or use SPI"
            )
            errors.append(Problem(file, key, what, cure))
        elif bus not in speeds and total > USUAL_HZ:
            warnings.append(Problem(file, key, what, _set_faster(bus, total)))
    return errors, warnings


class _Share(NamedTuple):
    place: str
    name: str
    bits_per_s: float


def _shares(sensors: Mapping[str, Sensor]) -> dict[str, list[_Share]]:
    """Return the load of every sensor whose load can be measured, by bus."""
    shares: dict[str, list[_Share]] = {}
    for place, (name, driver, options, *_) in sensors.items():
        if (bits_per_s := options.bits_per_s(plugins.driver(driver))) is not None:
            share = _Share(place, name, bits_per_s)
            shares.setdefault(options.thread, []).append(share)
    return shares


def _speeds(
    sensors: Iterable[Sensor], buses: Mapping[str, Bus], file: str
) -> tuple[list[Problem], dict[str, int]]:
    """Return the errors of the `[[bus]]` tables, and the speeds that they give."""
    used = {sensor.options.thread for sensor in sensors}
    errors: list[Problem] = []
    speeds: dict[str, int] = {}
    for place, bus in buses.items():
        if bus.name not in used:
            what, cure = f"no sensor is on bus {bus.number}", "correct or remove it"
            errors.append(Problem(file, f"{place}.number", what, cure))
        elif bus.name in speeds:
            what = f"bus {bus.number} has two tables"
            errors.append(Problem(file, f"{place}.number", what, "remove one"))
        speeds[bus.name] = bus.speed_hz
    return errors, speeds


def _set_faster(bus: str, total: float) -> str:
    how = "its adapter at 400 kHz"
    if bus.removeprefix("i2c-").isdecimal():
        how = "dtparam=i2c_arm_baudrate=400000 in config.txt"
    if total > _PI_3_HZ:
        how += f" (on a Pi 3 that is {_kilo(_PI_3_HZ)} kHz, too slow)"
    return (
        f"this needs {how}; then add a [[bus]] table with number and speed_hz = 400000"
    )


def _kilo(value: float) -> str:
    return f"{value / 1000:.3g}"
