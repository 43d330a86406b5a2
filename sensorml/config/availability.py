"""Warnings about what a configuration requires and this machine lacks, or has in use.

These are warnings and no errors, because a file may be checked on another machine
than its own. Listings of /sys and /dev are read, and the kernel reports the holder of
each line; nothing is claimed.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from sensorml.config import conflicts
from sensorml.config.tables import Config
from sensorml.errors import Problem, Reason
from sensorml.files import shown
from sensorml.gpio.names import LABEL, line_of
from sensorml.hardware.boards import boards, identify
from sensorml.hardware.facts import Facts
from sensorml.hardware.gpio_chips import GpioChip, LineInfo, lines
from sensorml.hardware.header import header_chip, header_lines
from sensorml.hardware.tree import Tree
from sensorml.resources import folders
from sensorml.schema import Table

OWN_NAME: Final = "lg"
"""The name under which lgpio holds a line, for any program."""
_SECRETS: Final = frozenset({"token_file", "password_file", "key_file"})
_COMMON_NAMES: Final = frozenset(
    {"raspberrypi", "localhost", "debian", "ubuntu", "mendel", "coral", "armbian"}
)
"""Host names of fresh images; `device` is the host name by default."""


def warnings_here(config: Config) -> list[Problem]:
    """Return the warnings for this machine; see `warnings`.

    Raises:
        ConfigError: a file in boards/ is wrong.
    """
    facts = Facts.gather()
    tree = Tree.at(Path(facts.root))
    return warnings(
        config, facts, {chip.name: lines(tree, chip) for chip in facts.gpio}
    )


def warnings(
    config: Config, facts: Facts, held: Mapping[str, Sequence[LineInfo]]
) -> list[Problem]:
    """Return warnings about absent buses, and about GPIO lines that are absent or held.

    Args:
        config: a configuration without errors.
        facts: the facts of the machine.
        held: the lines of each GPIO chip; a chip that cannot be read has none.
    """
    reasons = [
        *_missing(config, facts),
        *_lines(config, facts, held),
        *_open_secrets(config),
        *_common_name(config),
    ]
    return [Problem(str(config.path), key, *reason) for key, reason in reasons]


def _missing(config: Config, facts: Facts) -> Iterator[tuple[str, Reason]]:
    """Yield what the sensors require and the machine lacks, each reason once."""
    reported: set[Reason] = set()
    for place, sensor in conflicts.placed("sensor", config.sensors).items():
        for key, reason in sensor.options.missing(facts):
            if reason not in reported:
                reported.add(reason)
                yield f"{place}.{key}", reason


def _open_secrets(config: Config) -> Iterator[tuple[str, Reason]]:
    """Yield the files with secrets that every user of this machine can read."""
    placed = conflicts.placed
    tables: dict[str, Table] = {"web": config.web}
    tables |= placed("sensor", [sensor.options for sensor in config.sensors])
    tables |= placed("sink", [sink.options for sink in config.sinks])
    for place, options in tables.items():
        for key, path in msgspec.structs.asdict(options).items():
            if key in _SECRETS and isinstance(path, str) and _is_public(Path(path)):
                what = f"{shown(path)} can be read by every user"
                yield f"{place}.{key}", Reason(what, f"chmod o= {shown(path)}")


def _is_public(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:  # it may be there only for the service
        return False


def _common_name(config: Config) -> Iterator[tuple[str, Reason]]:
    if config.sinks and config.device.lower() in _COMMON_NAMES:
        what = f'"{config.device}" is the name of many machines'
        cure = "set device: boxes with one name overwrite each other's rows"
        yield "device", Reason(what, cure)


def _lines(
    config: Config, facts: Facts, held: Mapping[str, Sequence[LineInfo]]
) -> Iterator[tuple[str, Reason]]:
    number = header_chip(facts, identify(facts, boards(folders("boards"))))
    header = next((c for c in facts.gpio if c.name == f"gpiochip{number}"), None)
    for key, name, _ in conflicts.lines_in(config):
        line = line_of(name)
        if isinstance(line, str):
            reason = _why_not_label(line.removeprefix(LABEL), held)
        elif header is not None:
            reason = _why_not_number(line, header, held.get(header.name, ()))
        else:  # the chip of the header is unknown
            reason = None
        if reason is not None:
            yield key, reason


def _why_not_number(
    number: int, header: GpioChip, lines: Sequence[LineInfo]
) -> Reason | None:
    count = header_lines(header)
    if count is not None and number >= count:
        what = f"there is no GPIO line {number} on this machine"
        return Reason(what, f"use one of 0 to {count - 1}, the lines of {header.label}")
    return _why_held(f"GPIO line {number}", lines[number : number + 1])


def _why_not_label(label: str, held: Mapping[str, Sequence[LineInfo]]) -> Reason | None:
    lines = [line for chip in held.values() for line in chip]
    if not lines:
        return None
    matches = [line for line in lines if line.name == label]
    if not matches:
        what = f"no GPIO line of this machine has the label {label}"
        return Reason(what, "correct it, gpioinfo lists the labels")
    return _why_held(f"the GPIO line {label}", matches)


def _why_held(what: str, lines: Sequence[LineInfo]) -> Reason | None:
    for line in lines:
        if line.holder:
            own = (
                ", unless that is this service, running"
                if line.holder == OWN_NAME
                else ""
            )
            return Reason(
                f'{what} is held by "{line.holder}"',
                f"stop that program or remove its dtoverlay{own}; or use another line",
            )
    return None
