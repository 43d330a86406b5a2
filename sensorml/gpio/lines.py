"""GPIO lines that are driven or listened to; `gpiopins` says how they are named.

The pins of gpiozero are used without its devices, because a device gives its
line back as a floating input when it is collected, and again at exit.

What holds an output, from best to worst:

- While the process lives, also after `OutputLine.close`: the line is driven.
- After the process, on Raspberry Pi kernels: the line stays driven at its last
  level (pinctrl_bcm2835/rp1 `persist_gpio_outputs`, on unless config.txt says
  `dtparam=strict_gpiod`).
- After the process, on other kernels: the line becomes an input. `open_output`
  has set its pull towards the safe level, and pulls outlive the process. That
  is some 50 kΩ: enough for a transistor, not for a relay board with its own
  pull the other way.
- At boot and without power nothing of this holds. Where it matters, wire it: an
  external pull, or a relay that drops out in the safe position.

A process that is killed leaves the level that was last set: `failsafe` is there
for what comes then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from sensorml.errors import BusError
from sensorml.gpio.factory import as_bus_error, factory, find, is_simulated
from sensorml.gpio.names import LineName

Level = Literal["high", "low"]
Pull = Literal["up", "down", "none"]
Edges = Literal["both", "rising", "falling"]
OnChange = Callable[[bool, int], None]

_PULLS = {"up": "up", "down": "down", "none": "floating"}
_SECOND_NS = 1_000_000_000


class _ClaimedLine:
    """Ours for as long as it is open: a second claim on the line fails."""

    def __init__(self, line: LineName, active: Level) -> None:
        self._line = line
        self._high_is_on = active == "high"
        with as_bus_error(line):
            self._factory, name = find(line)
            self._pin = self._factory.pin(name)
            self._factory.reserve_pins(self, repr(self._pin))
        self._open = True

    def __repr__(self) -> str:
        """Return the holder for gpiozero's message "already in use by …"."""
        return f"this program (as {self._line!r})"

    def _conflicts_with(self, _other: object) -> bool:
        return True  # gpiozero asks this of two that want one line

    @property
    def value(self) -> bool:
        """Whether the line is at its active level just now, bounces and all."""
        with as_bus_error(self._line):
            return bool(self._pin.state) == self._high_is_on

    def _release(self) -> None:
        self._open = False
        self._factory.release_pins(self, repr(self._pin))


class OutputLine(_ClaimedLine):
    """A driven line; made by `open_output`."""

    def __init__(
        self, line: LineName, *, active: Level, initial: bool, safe: bool
    ) -> None:
        super().__init__(line, active)
        try:
            with as_bus_error(line):
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
        with as_bus_error(self._line):
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
        self._pin.function = "input"
        if not self._pin.info.pull:  # GPIO2 and 3 have a resistor on the board
            self._pin.pull = "up" if self._level(safe) else "down"


class InputLine(_ClaimedLine):
    """A line that is listened to; made by `open_input` and `open_interrupt`."""

    def __init__(
        self,
        line: LineName,
        *,
        on_edge: Callable[[float, bool], None],
        pull: Pull,
        active: Level,
        bounce_s: float,
        edges: Edges = "both",
    ) -> None:
        super().__init__(line, active)

        def changed(ticks: float, state: int) -> None:
            on_edge(ticks, bool(state) == self._high_is_on)

        self._changed = changed  # gpiozero keeps only a weak reference
        try:
            with as_bus_error(line):
                self._pin.function = "input"
                if self._pin.pull != _PULLS[pull]:
                    self._pin.pull = _PULLS[pull]
                self._pin.bounce = bounce_s or None
                self._pin.edges = edges
                self._pin.when_changed = changed
        except BusError:
            self._release()
            raise

    def close(self) -> None:
        """Stop listening. Harmless when repeated."""
        if self._open:
            try:
                with as_bus_error(self._line):
                    self._pin.when_changed = None
            finally:
                self._release()


class PwmLine(_ClaimedLine):
    """A line with a duty cycle; made by `open_pwm`."""

    def __init__(self, line: LineName, *, frequency_hz: float) -> None:
        super().__init__(line, "high")
        try:
            with as_bus_error(line):
                self._pin.output_with_state(False)
                self._pin.frequency = frequency_hz
        except BusError:
            self._release()
            raise

    def set(self, duty: float) -> None:
        """Be high for this share of every period, from the next one on.

        Raises:
            BusError: the line cannot be driven, or is closed.
        """
        if not self._open:
            raise BusError(f"GPIO {self._line}: the output is closed: open it again")
        with as_bus_error(self._line):
            self._pin.state = duty

    def close(self) -> None:
        """Leave the line low, driven, and let others open it."""
        if self._open:
            try:
                with as_bus_error(self._line):
                    self._pin.frequency = None
                    self._pin.state = False
            finally:
                self._release()


def open_output(
    line: LineName, *, active: Level, initial: bool, safe: bool | None = None
) -> OutputLine:
    """Drive a line; gpiozero claims it low, and sets `initial` some 0.1 ms later.

    `active` is the level that means on. `safe` is where the pull goes that holds
    the line when nobody drives it; by default where `initial` is.

    Raises:
        BusError: no access, no such line, or somebody else has it.
    """
    return OutputLine(
        line, active=active, initial=initial, safe=initial if safe is None else safe
    )


def open_pwm(line: LineName, *, frequency_hz: float) -> PwmLine:
    """Make pulses on a line by lgpio's own thread, 0.1 to 10 000 a second.

    Raises:
        BusError: no access, no such line, or somebody else has it.
    """
    return PwmLine(line, frequency_hz=frequency_hz)


def open_input(
    line: LineName,
    *,
    on_change: OnChange,
    pull: Pull = "up",
    active: Level | None = None,
    bounce_s: float = 0.02,
    edges: Edges = "both",
    clock: Callable[[], int] = time.monotonic_ns,
) -> InputLine:
    """Listen to a line.

    `on_change` is called with True when the line becomes active and False when
    it no longer is, and with the time of the edge: the kernel's, monotonic, ns.
    That is on a thread of lgpio's: it must return at once. `active` is the level
    that means True; by default the one that the pull is not, so True is a
    pressed button. A level counts, and is told, when it has lasted `bounce_s`.

    Raises:
        BusError: no access, no such line, or somebody else has it.
    """
    return InputLine(
        line,
        on_edge=_dated(on_change, bounce_s, clock),
        pull=pull,
        active=active or ("low" if pull == "up" else "high"),
        bounce_s=bounce_s,
        edges=edges,
    )


def _dated(
    on_change: OnChange, bounce_s: float, clock: Callable[[], int]
) -> Callable[[float, bool], None]:
    """Turn an edge's ticks into its time, by `clock` if they are another clock's.

    lgpio adds the time that it waited to them (lgPthAlerts.c, xDebWatEvt).
    """
    bounce_ns = round(bounce_s * 1e9)

    def told(ticks_s: float, is_active: bool) -> None:
        now_ns, at_ns = clock(), round(ticks_s * 1e9)
        if not now_ns - _SECOND_NS < at_ns <= now_ns:
            at_ns = now_ns
        on_change(is_active, at_ns - bounce_ns)

    return told


def open_interrupt(line: LineName, on_rise: Callable[[float], None]) -> InputLine:
    """Listen to a line that a chip drives, and that rises when it has something.

    `on_rise` is called on a thread of lgpio's and must return at once; it is
    given the kernel's time of the edge in s. That is CLOCK_MONOTONIC since Linux
    5.7 (include/uapi/linux/gpio.h), another clock before and with other
    libraries than lgpio.

    Raises:
        BusError: no access, no such line, or somebody else has it.
    """
    return InputLine(
        line,
        on_edge=lambda ticks, _is_active: on_rise(ticks),
        pull="down",  # so that a wire that has come off is still, and not an aerial
        active="high",
        bounce_s=0,
        edges="rising",
    )


def simulated() -> bool:
    """Whether lines are only simulated, this machine having none.

    Raises:
        BusError: there are GPIO chips, but they cannot be opened.
    """
    return is_simulated(factory())
