"""The factories of GPIO pins, by gpiozero.

A line is written as BCM number (17, "GPIO17"), as pin of the 40-pin header
("BOARD11", "J8:11") or, on boards that are no Raspberry Pi, as the number on
the header's chip or by its kernel label ("label:P9_12", as in gpioinfo).
`names.line_of` returns one canonical name for each line.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple, Protocol, cast

from sensorml.access import denial, is_forbidden
from sensorml.errors import BusError
from sensorml.gpio.kernel import Place
from sensorml.gpio.names import LABEL, LineName, line_of
from sensorml.schema import nearest

DEV: Final = Path("/dev")


class Info(Protocol):
    """The part of `gpiozero.PinInfo` that is used here."""

    pull: str
    """The direction of a resistor on the board: "up", or "" for none."""


class Pin(Protocol):
    """The part of `gpiozero.Pin` that is used here; gpiozero has no types."""

    info: Info
    function: str
    state: float
    pull: str
    bounce: float | None
    edges: str
    frequency: float | None
    when_changed: Callable[[float, int], None] | None

    def output_with_state(self, state: bool) -> None: ...


class Board(Protocol):
    """The part of `gpiozero.BoardInfo` that is used here."""

    def find_pin(self, name: LineName) -> Iterable[tuple[object, Info]]: ...


class Factory(Protocol):
    """The part of `gpiozero.Factory` that is used here."""

    board_info: Board

    def pin(self, name: LineName) -> Pin: ...
    def reserve_pins(self, requester: object, *names: str) -> None: ...
    def release_pins(self, reserver: object, *names: str) -> None: ...


def _no_chip() -> int | None:
    return None


class _Header:
    """The chip of plain line numbers; None: gpiozero's choice."""

    find: Callable[[], int | None] = staticmethod(_no_chip)


def use_chip(find: Callable[[], int | None]) -> None:
    """Set the function that finds N of the header's /dev/gpiochipN.

    It is called when the first line is opened, if this machine has any chip.
    """
    _Header.find = staticmethod(find)


def find(line: LineName) -> tuple[Factory, LineName]:
    """Return the factory of a line's pin, and the name of the pin there.

    Raises:
        OptionError: there is no such line.
        BusError: GPIO cannot be opened, or no line has that label.
    """
    name = line_of(line)
    header = factory()
    if isinstance(name, int) or not name.startswith(LABEL):
        return header, name
    lines = {} if is_simulated(header) else _labelled()
    label = name.removeprefix(LABEL)
    matches = lines.get(label, [])
    if len(matches) != 1:
        what = "two lines have" if matches else "no line has"
        cure = "use a number" if matches or not lines else nearest(label, lines)
        raise BusError(f"GPIO {line}: {what} this label: {cure}")
    chip, number = matches[0]
    return (header if chip == _chip_of(header) else _other(chip)), number


class KernelLine(NamedTuple):
    """A line of a chip of the kernel."""

    place: Place
    pull: str
    """The direction of a resistor on the board: "up", or "" for none."""


def kernel_line(line: LineName) -> KernelLine | None:
    """Return the place of a line; None: it is simulated, or of another library.

    Raises:
        OptionError: there is no such line.
        BusError: GPIO cannot be opened, or no line has that label.
        ValueError: the chip has no such line.
    """
    owner, name = find(line)
    chip = _chip_of(owner)
    if chip is None or not isinstance(name, int):
        return None
    for _, info in owner.board_info.find_pin(name):
        return KernelLine(Place(chip, name), info.pull)
    raise ValueError(f"{name} is not a valid pin name")


def _chip_of(owner: Factory) -> int | None:
    """Return N of a factory's /dev/gpiochipN; only lgpio's have one."""
    return cast(int | None, getattr(owner, "chip", None))


@cache
def factory() -> Factory:
    """Return the factory of the header's pins; the first call opens it."""
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


def is_simulated(factory: Factory) -> bool:
    from gpiozero.pins.mock import MockFactory

    return isinstance(factory, MockFactory)


def open_factory(dev: Path) -> Factory:
    """Open the GPIO of this machine, whose device nodes are in `dev`.

    This is lgpio if there is a chip, else a simulation, unless the environment
    variable GPIOZERO_PIN_FACTORY is set. gpiozero's own search would continue with
    libraries that fail later and with unclear messages.

    Raises:
        BusError: lgpio is missing, or the chip cannot be opened.
    """
    chips = [] if "GPIOZERO_PIN_FACTORY" in os.environ else _numbers(dev)
    header = _Header.find() if chips else None
    try:
        with _lgpio_folder():
            return _choose(chips, header)
    except ImportError as err:
        cure = "install it with pip install 'sensorml[gpio]'"
        if "GPIOZERO_PIN_FACTORY" in os.environ:
            cure = "remove GPIOZERO_PIN_FACTORY from the environment, or correct it"
        raise BusError(f"GPIO: {err}: {cure}") from err
    except failures() as err:
        numbers = chips if header is None else [header]
        nodes = [dev / f"gpiochip{number}" for number in numbers]
        denied = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
        forbidden = [node for node in nodes if is_forbidden(str(node))]
        if forbidden:
            cure = str(denial(errno.EPERM, str(forbidden[0])))
        elif denied:
            cure = f"no access to {denied[0]}: add this user to the group gpio"
        else:
            cure = "check the driver (dmesg), or set GPIOZERO_PIN_FACTORY=mock"
        raise BusError(f"GPIO cannot be opened: {_message_of(err)}: {cure}") from err


def _choose(chips: list[int], header: int | None) -> Factory:
    from gpiozero.pins.mock import MockFactory, MockPWMPin

    if "GPIOZERO_PIN_FACTORY" in os.environ:
        from gpiozero import Device

        Device.ensure_pin_factory()
        chosen = Device.pin_factory
        Device.pin_factory = None  # or gpiozero releases every line at exit
    elif not chips:
        chosen = MockFactory()
    else:
        from sensorml.gpio.chips import open_chip

        chosen = open_chip(header)
    if isinstance(chosen, MockFactory):
        chosen.pin_class = MockPWMPin
    return cast(Factory, chosen)


@contextmanager
def _lgpio_folder() -> Iterator[None]:
    """Give lgpio a folder of its own during its import, and keep the working folder.

    lgpio makes a FIFO in $LG_WD, opens it and leaves it there; a FIFO of another
    user would make the import fail. It also changes the working folder, which would
    change the meaning of every relative path.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # the working folder may have been deleted
            stack.callback(os.chdir, Path.cwd())
        if "LG_WD" not in os.environ and (folder := _new_folder(stack)):
            os.environ["LG_WD"] = folder
            stack.callback(os.environ.pop, "LG_WD")
        yield


def _new_folder(stack: ExitStack) -> str:
    """Make a folder until the stack closes; "" where no disk can be written."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    for place in (runtime or None, "/dev/shm", "/run"):  # noqa: S108 - may be read-only
        with suppress(OSError):
            return stack.enter_context(TemporaryDirectory(prefix="lgpio-", dir=place))
    return ""


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of gpiozero and of the libraries below it."""
    from gpiozero import GPIOZeroError

    error = getattr(sys.modules.get("lgpio"), "error", OSError)
    return (GPIOZeroError, OSError, cast(type[Exception], error))


@contextmanager
def as_bus_error(line: LineName) -> Iterator[None]:
    """Turn exceptions of gpiozero and lgpio into a BusError that names the line."""
    try:
        yield
    except BusError:
        raise
    except ValueError as err:
        raise _line_error(line, err) from err
    except failures() as err:
        raise _line_error(line, err) from err


def _line_error(line: LineName, err: Exception) -> BusError:
    return BusError(
        f"GPIO {line}: {_message_of(err)}: name a free line by BCM number (17), header "
        'pin ("BOARD11") or name ("GPIO17"); gpioinfo lists the holders'
    )


def _message_of(err: Exception) -> str:
    """Return the message of an error without its number, or lgpio's quotes."""
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(getattr(err, "value", err))
