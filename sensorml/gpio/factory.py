"""Where GPIO pins come from, and what lines are called; gpiozero's importer.

A line is written as BCM number (17, "GPIO17"), as pin of the 40-pin header
("BOARD11", "J8:11") or, on boards that are no Raspberry Pi, as the number on
the header's chip or by the kernel's own name for it ("label:P9_12", as gpioinfo
shows it). `line_of` turns what means the same into the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, cast

from sensorml.errors import BusError
from sensorml.gpio.names import LABEL, LineName, line_of
from sensorml.schema import nearest

DEV: Final = Path("/dev")


class Info(Protocol):
    """The part of `gpiozero.PinInfo` that is used here."""

    pull: str
    """The resistor that is on the board: "up", or "" for none."""


class Pin(Protocol):
    """The part of `gpiozero.Pin` that is used here; it comes without types."""

    info: Info
    function: str
    state: float
    pull: str
    bounce: float | None
    edges: str
    frequency: float | None
    when_changed: Callable[[float, int], None] | None

    def output_with_state(self, state: bool) -> None: ...


class Factory(Protocol):
    """The part of `gpiozero.Factory` that is used here."""

    def pin(self, name: LineName) -> Pin: ...
    def reserve_pins(self, requester: object, *names: str) -> None: ...
    def release_pins(self, reserver: object, *names: str) -> None: ...


def _whichever() -> int | None:
    return None


class _Header:
    """Which chip the plain numbers mean; None: the one that gpiozero takes."""

    find: Callable[[], int | None] = staticmethod(_whichever)


def use_chip(find: Callable[[], int | None]) -> None:
    """Say how N of the header's /dev/gpiochipN is found, before a line is opened.

    `find` is called with the first line, if this machine has any chip.
    """
    _Header.find = staticmethod(find)


def find(line: LineName) -> tuple[Factory, LineName]:
    """Return who makes the pin of a line, and what it calls that pin.

    Raises:
        ValueError: there is no such line.
        BusError: GPIO cannot be opened, or no line has that label.
    """
    known = line_of(line)
    header = factory()
    if isinstance(known, int) or not known.startswith(LABEL):
        return header, known
    places = {} if is_simulated(header) else _labelled()
    label = known.removeprefix(LABEL)
    found = places.get(label, [])
    if len(found) != 1:
        what = "two lines have" if found else "no line has"
        cure = "use a number" if found or not places else nearest(label, places)
        raise BusError(f"GPIO {line}: {what} this label: {cure}")
    chip, number = found[0]
    return (header if chip == getattr(header, "chip", None) else _other(chip)), number


@cache
def factory() -> Factory:
    """Return who makes the header's pins; opened with the first call."""
    return open_factory(DEV)


@cache
def _other(chip: int) -> Factory:
    from sensorml.gpio.chips import PlainChip

    return cast(Factory, PlainChip(chip))


@cache
def _labelled() -> Mapping[str, list[tuple[int, int]]]:
    from sensorml.gpio.chips import labelled

    return labelled(_numbers(DEV))


def _numbers(dev: Path) -> list[int]:
    names = (chip.name.removeprefix("gpiochip") for chip in dev.glob("gpiochip*"))
    return sorted(int(name) for name in names if name.isdecimal())


def is_simulated(made_by: Factory) -> bool:
    from gpiozero.pins.mock import MockFactory

    return isinstance(made_by, MockFactory)


def open_factory(dev: Path) -> Factory:
    """Open the GPIO of this machine, whose device nodes are in `dev`.

    lgpio where there is a chip, a simulation where there is none; the
    environment's GPIOZERO_PIN_FACTORY decides otherwise. gpiozero's own search
    would go on to libraries that fail later and less clearly.

    Raises:
        BusError: lgpio is missing, or the chip cannot be opened.
    """
    chips = [] if "GPIOZERO_PIN_FACTORY" in os.environ else _numbers(dev)
    header = _Header.find() if chips else None
    try:
        with _room_for_lgpio():
            return _choose(chips, header)
    except ImportError as err:
        raise BusError(
            f"GPIO: {err}: install it with pip install 'sensorml[gpio]'"
        ) from err
    except failures() as err:
        wanted = chips if header is None else [header]
        nodes = [dev / f"gpiochip{number}" for number in wanted]
        denied = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
        cure = (
            f"no access to {denied[0]}: add this user to the group gpio"
            if denied
            else "GPIOZERO_PIN_FACTORY=mock simulates the lines"
        )
        raise BusError(f"GPIO cannot be opened: {_said_by(err)}: {cure}") from err


def _choose(chips: list[int], header: int | None) -> Factory:
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    if "GPIOZERO_PIN_FACTORY" in os.environ:
        from gpiozero import Device

        Device.ensure_pin_factory()
        chosen = Device.pin_factory
        Device.pin_factory = None  # or gpiozero lets go of every line at exit
    elif not chips:
        chosen = MockFactory()
    else:
        from sensorml.gpio.chips import open_chip

        chosen = open_chip(header)
    if isinstance(chosen, MockFactory):
        chosen.pin_class = MockPWMPin
    return cast(Factory, chosen)


@contextmanager
def _room_for_lgpio() -> Iterator[None]:
    """Give lgpio a folder of its own while it is imported, and stay where we are.

    It makes a FIFO in $LG_WD, opens it and leaves it there, where another user's
    would keep it from being imported; and it takes the process along, to whom
    every relative path would then mean something else.
    """
    with ExitStack() as stack:
        stack.callback(os.chdir, Path.cwd())
        if "LG_WD" not in os.environ:
            runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
            folder = TemporaryDirectory(prefix="lgpio-", dir=runtime or None)
            os.environ["LG_WD"] = stack.enter_context(folder)
            stack.callback(os.environ.pop, "LG_WD")
        yield


def failures() -> tuple[type[Exception], ...]:
    """Name what gpiozero and what is below it raise; lgpio has its own root."""
    from gpiozero import GPIOZeroError

    error = getattr(sys.modules.get("lgpio"), "error", OSError)
    return (GPIOZeroError, OSError, cast(type[Exception], error))


@contextmanager
def as_bus_error(line: LineName) -> Iterator[None]:
    """Turn what gpiozero and lgpio raise into a BusError that names the line."""
    try:
        yield
    except BusError:
        raise
    except ValueError as err:
        raise _told(line, err) from err
    except failures() as err:
        raise _told(line, err) from err


def _told(line: LineName, err: Exception) -> BusError:
    return BusError(
        f"GPIO {line}: {_said_by(err)}: name a free line by BCM number (17), header "
        'pin ("BOARD11") or name ("GPIO17"); gpioinfo shows who holds which'
    )


def _said_by(err: Exception) -> str:
    """Return what an error says; lgpio's puts it in quotes."""
    return str(getattr(err, "value", err))
