"""Boards: the types of boards/*.toml, and the identification of this board.

A descriptor is data, with a closed vocabulary and no expressions. A file of the same
name in a later folder (/etc/sensorml) replaces the shipped one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from msgspec import Meta, structs

from sensorml.errors import ConfigError, OptionError, Problem
from sensorml.hardware.facts import Facts
from sensorml.schema import Table, decode_file

T = TypeVar("T", bound=Table)

Text = Annotated[str, Meta(min_length=1)]

Id = Annotated[
    str,
    Meta(pattern="^[0-9a-f]{4}:[0-9a-f]{4}$", examples=["1a6e:089a", "18d1:9302"]),
]
"""vendor:product, four small hexadecimal digits each."""

NodePath = Annotated[
    str,
    Meta(
        pattern=r"^/dev/(galcore|(ethosu|mali|accel/accel|dri/renderD)[0-9]+)$",
        examples=["/dev/galcore", "/dev/accel/accel0", "/dev/dri/renderD128"],
    ),
]
"""A node that `devices.accelerators` can find."""

NO_MATCH = (-1, 0)


class Match(Table, frozen=True, kw_only=True):
    """Conditions on the machine: each key that is set must match, by any word."""

    always: bool = False
    dt_compatible: tuple[Text, ...] = ()
    machine: tuple[Text, ...] = ()
    usb: tuple[Id, ...] = ()
    pci: tuple[Id, ...] = ()
    node: tuple[NodePath, ...] = ()

    def __post_init__(self) -> None:
        has_condition = self.always or self.dt_compatible or self.machine
        if not (has_condition or self.usb or self.pci or self.node):
            raise OptionError(
                "is empty", "give always, dt_compatible, machine, usb, pci or node"
            )

    def why_not(self, facts: Facts) -> str | None:
        """Return the condition that does not hold, or None if all hold."""
        if self.dt_compatible and not set(self.dt_compatible) & {*facts.dt_compatible}:
            return f"device tree is not {_either(self.dt_compatible)}"
        if self.machine and facts.machine not in self.machine:
            is_not = "is not" if facts.machine else "is not known to be"
            return f"processor {is_not} {_either(self.machine)}"
        if self.usb and not set(self.usb) & {device.id for device in facts.usb}:
            return f"no USB device {_either(self.usb)}"
        if self.pci and not set(self.pci) & {device.id for device in facts.pci}:
            return f"no PCI device {_either(self.pci)}"
        if self.node and not set(self.node) & {n.path for n in facts.accelerators}:
            return f"no device file {_either(self.node)}"
        return None

    def rank(self, facts: Facts) -> tuple[int, int]:
        """Return how specific the match is; `NO_MATCH` if a condition does not hold.

        A device tree lists the board before its family before its SoC, so an earlier
        word is more specific.
        """
        if self.why_not(facts) is not None:
            return NO_MATCH
        places = [
            -place
            for place, word in enumerate(facts.dt_compatible)
            if word in self.dt_compatible
        ]
        if places:
            return 3, max(places)
        if self.usb or self.pci or self.node:
            return 2, 0
        return (1, 0) if self.machine else (0, 0)


class I2c(Table, frozen=True, kw_only=True):
    """The I2C bus on the board's header, N of /dev/i2c-N."""

    bus: Annotated[int, Meta(ge=0)]


class Gpio(Table, frozen=True, kw_only=True):
    """The GPIO chip of the board's header, by label, because its number changes."""

    chip_label: Text


class BoardCpu(Table, frozen=True, kw_only=True):
    """The number of interpreter threads that leaves a core for the sensors."""

    threads: Annotated[int, Meta(ge=1)]


class BoardTable(Table, frozen=True, kw_only=True):
    """The keys of a file in boards/."""

    title: Text
    match: Match
    i2c: I2c | None = None
    gpio: Gpio | None = None
    cpu: BoardCpu | None = None


class Board(BoardTable, frozen=True, kw_only=True):
    """One file of boards/."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem


def boards(folders: Iterable[Path]) -> dict[str, Board]:
    """Read every board, by name; a later folder overrides an earlier one.

    Raises:
        ConfigError: with every problem of every file.
    """
    tables = read_tables(folders, BoardTable)
    return {p.stem: Board(path=p, **structs.asdict(t)) for p, t in tables.items()}


def identify(facts: Facts, known: Mapping[str, Board]) -> Board:
    """Return the board that matches most specifically.

    Raises:
        ConfigError: none matches, or two match equally.
    """
    ranks = {name: board.match.rank(facts) for name, board in known.items()}
    highest = max(ranks.values(), default=NO_MATCH)
    if highest == NO_MATCH:
        what, cure = (
            "no board matches",
            "restore boards/generic-linux.toml",
        )
        raise ConfigError([Problem("boards", "", what, cure)])
    best, *others = (known[name] for name, rank in ranks.items() if rank == highest)
    problems = [
        Problem(
            str(other.path),
            "match",
            f"matches this machine as well as {best.path} does",
            f"narrow one match, or name this file {best.path.name} to replace it",
        )
        for other in others
    ]
    if problems:
        raise ConfigError(problems)
    return best


def read_tables(folders: Iterable[Path], kind: type[T]) -> dict[Path, T]:
    """Decode all files of the folders; a later folder overrides an earlier one.

    Raises:
        ConfigError: with every problem of every file.
    """
    files = {
        path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))
    }
    tables: dict[Path, T] = {}
    problems: list[Problem] = []
    for path in files.values():
        try:
            tables[path] = decode_file(path, kind)
        except ConfigError as err:
            problems += err.problems
    if problems:
        raise ConfigError(problems)
    return tables


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)
