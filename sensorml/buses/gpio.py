"""GPIO lines, by gpiozero (and lgpio below it); its only importer.

A line is named as gpiozero names it: BCM number (17), header pin ("BOARD11")
or name ("GPIO17"). The pins of gpiozero are used without its devices, because
a device gives its line back as a floating input when it is collected, and
again at exit.

What holds an output, from best to worst:

- While the process lives, also after `Output.close`: the line is driven.
- After the process, on Raspberry Pi kernels: the line stays driven at its last
  level (pinctrl_bcm2835/rp1 `persist_gpio_outputs`, on unless config.txt says
  `dtparam=strict_gpiod`).
- After the process, on other kernels: the line becomes an input. `open_output`
  has set its pull towards the safe level, and pulls outlive the process. That
  is some 50 kΩ: enough for a transistor, not for a relay board with its own
  pull the other way.
- At boot and without power nothing of this holds. Where it matters, wire it: an
  external pull, or a relay that drops out in the safe position.

A process that is killed leaves the level that was last set; the service that
systemd starts next sets the safe one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal, Protocol, cast

from sensorml.errors import BusError

Line = int | str
Level = Literal["high", "low"]
Pull = Literal["up", "down", "none"]

_DEV = Path("/dev")
_PULLS = {"up": "up", "down": "down", "none": "floating"}


class _Pin(Protocol):
    """The part of `gpiozero.Pin` that is used here; it comes without types."""

    function: str
    state: bool
    pull: str
    bounce: float | None
    edges: str
    when_changed: Callable[[float, int], None] | None

    def output_with_state(self, state: bool) -> None: ...


class _Factory(Protocol):
    def pin(self, name: Line) -> _Pin: ...
    def reserve_pins(self, requester: object, *names: str) -> None: ...
    def release_pins(self, reserver: object, *names: str) -> None: ...


class _Claim:
    """Ours for as long as it is open: a second claim on the line fails."""

    def __init__(self, line: Line, active: Level) -> None:
        self._line = line
        self._high_is_on = active == "high"
        self._factory = _factory()
        with _as_bus_error(line):
            self._pin = self._factory.pin(line)
            self._factory.reserve_pins(self, repr(self._pin))
        self._open = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._line!r})"

    def _conflicts_with(self, _other: object) -> bool:
        return True  # gpiozero asks this of two that want one line

    @property
    def value(self) -> bool:
        """Whether the line is at its active level just now, bounces and all."""
        with _as_bus_error(self._line):
            return bool(self._pin.state) == self._high_is_on

    def _release(self) -> None:
        self._open = False
        self._factory.release_pins(self, repr(self._pin))


class Output(_Claim):
    """A driven line; made by `open_output`."""

    def __init__(self, line: Line, *, active: Level, initial: bool, safe: bool) -> None:
        super().__init__(line, active)
        try:
            with _as_bus_error(line):
                self._pull_towards(safe)
                self._pin.output_with_state(self._level(initial))
        except BusError:
            self._release()
            raise

    def set(self, on: bool) -> None:
        """Drive the line.

        Raises:
            BusError: the line cannot be driven, or is closed.
        """
        if not self._open:
            raise BusError(f"GPIO {self._line}: the output is closed: open it again")
        with _as_bus_error(self._line):
            self._pin.state = self._level(on)

    def close(self, safe: bool) -> None:
        """Leave the line at its safe level, driven, and let others open it."""
        if self._open:
            try:
                self.set(safe)
            finally:
                self._release()

    def _level(self, on: bool) -> bool:
        return on == self._high_is_on

    def _pull_towards(self, safe: bool) -> None:
        from gpiozero import PinFixedPull

        self._pin.function = "input"
        with suppress(PinFixedPull):  # GPIO2 and 3 have a resistor on the board
            self._pin.pull = "up" if self._level(safe) else "down"


class Input(_Claim):
    """A line that is listened to; made by `open_input`."""

    def __init__(
        self,
        line: Line,
        *,
        on_change: Callable[[bool], None],
        pull: Pull,
        active: Level,
        bounce_s: float,
    ) -> None:
        super().__init__(line, active)

        def changed(_ticks: float, state: int) -> None:
            on_change(bool(state) == self._high_is_on)

        self._changed = changed  # gpiozero keeps only a weak reference
        try:
            with _as_bus_error(line):
                self._pin.function = "input"
                if self._pin.pull != _PULLS[pull]:
                    self._pin.pull = _PULLS[pull]
                self._pin.bounce = bounce_s or None
                self._pin.edges = "both"
                self._pin.when_changed = changed
        except BusError:
            self._release()
            raise

    def close(self) -> None:
        """Stop listening. Harmless when repeated."""
        if self._open:
            try:
                with _as_bus_error(self._line):
                    self._pin.when_changed = None
            finally:
                self._release()


def open_output(
    line: Line, *, active: Level, initial: bool, safe: bool | None = None
) -> Output:
    """Drive a line; gpiozero claims it low, and sets `initial` some 0.1 ms later.

    `active` is the level that means on. `safe` is where the pull goes that holds
    the line when nobody drives it; by default where `initial` is.

    Raises:
        BusError: no access, no such line, or somebody else has it.
    """
    return Output(
        line, active=active, initial=initial, safe=initial if safe is None else safe
    )


def open_input(
    line: Line,
    *,
    on_change: Callable[[bool], None],
    pull: Pull = "up",
    active: Level | None = None,
    bounce_s: float = 0.02,
) -> Input:
    """Listen to a line.

    `on_change` is called with True when the line becomes active and False when
    it no longer is, on a thread of lgpio's: it must return at once. `active` is
    the level that means True; by default the one that the pull is not, so True
    is a pressed button. A level counts when it has lasted `bounce_s`.

    Raises:
        BusError: no access, no such line, or somebody else has it.
    """
    return Input(
        line,
        on_change=on_change,
        pull=pull,
        active=active or ("low" if pull == "up" else "high"),
        bounce_s=bounce_s,
    )


def simulated() -> bool:
    """Whether lines are only simulated, this machine having none.

    Raises:
        BusError: there are GPIO chips, but they cannot be opened.
    """
    from gpiozero.pins.mock import MockFactory

    return isinstance(_factory(), MockFactory)


@cache
def _factory() -> _Factory:
    return _open_factory(_DEV)


def _open_factory(dev: Path) -> _Factory:
    """Open the GPIO of this machine, whose device nodes are in `dev`.

    lgpio where there is a chip, a simulation where there is none; the
    environment's GPIOZERO_PIN_FACTORY decides otherwise. gpiozero's own search
    would go on to libraries that fail later and less clearly.
    """
    chips = sorted(dev.glob("gpiochip*"))
    _give_lgpio_a_folder()
    try:
        return _choose(chips)
    except ImportError as err:
        raise BusError(
            f"GPIO: {err}: install it with pip install 'sensorml[gpio]'"
        ) from err
    except _failures() as err:
        denied = [chip for chip in chips if not os.access(chip, os.R_OK | os.W_OK)]
        cure = (
            f"no access to {denied[0]}: add this user to the group gpio"
            if denied
            else "GPIOZERO_PIN_FACTORY=mock simulates the lines"
        )
        raise BusError(f"GPIO cannot be opened: {err}: {cure}") from err


def _choose(chips: list[Path]) -> _Factory:
    if "GPIOZERO_PIN_FACTORY" in os.environ:
        from gpiozero import Device

        Device.ensure_pin_factory()
        factory = Device.pin_factory
        Device.pin_factory = None  # or gpiozero lets go of every line at exit
        return cast(_Factory, factory)
    if chips:
        from gpiozero.pins.lgpio import LGPIOFactory

        return cast(_Factory, LGPIOFactory())
    from gpiozero.pins.mock import MockFactory

    return cast(_Factory, MockFactory())


def _give_lgpio_a_folder() -> None:
    """Say where lgpio makes its FIFO: by default where it is started from."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", tempfile.gettempdir())
    os.environ.setdefault("LG_WD", runtime.split(":")[0])


def _failures() -> tuple[type[Exception], ...]:
    """Name what gpiozero and what is below it raise; lgpio has its own root."""
    from gpiozero import GPIOZeroError

    error = getattr(sys.modules.get("lgpio"), "error", OSError)
    return (GPIOZeroError, OSError, cast(type[Exception], error))


@contextmanager
def _as_bus_error(line: Line) -> Iterator[None]:
    try:
        yield
    except _failures() as err:
        raise BusError(
            f"GPIO {line}: {err}: name a free line by BCM number (17), header pin "
            '("BOARD11") or name ("GPIO17"); gpioinfo shows who holds which'
        ) from err
