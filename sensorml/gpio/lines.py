"""GPIO lines as outputs and inputs; `gpio.names` has their names.

The pins of gpiozero are used without its devices, because a device turns its line
into a floating input when it is collected, and again at exit.

The level of an output, from the safest situation to the least safe:

- While the process runs, also after `OutputLine.close`: the line is driven.
- After the process, on Raspberry Pi kernels: the line stays driven at its last
  level (pinctrl_bcm2835/rp1 `persist_gpio_outputs`, on unless config.txt says
  `dtparam=strict_gpiod`).
- After the process, on other kernels: the line becomes an input. `open_output`
  has set its pull towards the safe level, and pulls remain after the process. A
  pull has about 50 kΩ: enough for a transistor, not for a relay board with its own
  pull in the other direction.
- At boot and without power the level is undefined. Where it matters, use hardware:
  an external pull, or a relay that drops out in the safe position.

A process that is killed leaves the line at its last level; `alarms.fail_safe` then
sets the safe one.
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
    """A line that is claimed until it is closed: a second claim fails."""

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
        return True  # gpiozero calls this for a second claim

    @property
    def value(self) -> bool:
        """Return whether the line is at its active level now, bounces included."""
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
        """Drive the line to its active (on) or inactive level.

        Raises:
            BusError: the line cannot be driven, or is closed.
        """
        if not self._open:
            raise BusError(f"GPIO {self._line}: the output is closed: open it again")
        with as_bus_error(self._line):
            self._pin.state = self._level(on)

    def close(self, safe: bool) -> None:
        """Set the safe level, keep driving it, and release the claim."""
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
    """A line whose edges are observed; made by `open_input` and `open_interrupt`."""

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
        """Stop observing the line. A second call does nothing."""
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
        """Set the share of each period that is high, from the next period on.

        Raises:
            BusError: the line cannot be driven, or is closed.
        """
        if not self._open:
            raise BusError(f"GPIO {self._line}: the output is closed: open it again")
        with as_bus_error(self._line):
            self._pin.state = duty

    def close(self) -> None:
        """Set the line low, keep driving it, and release the claim."""
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
    """Drive a line; gpiozero claims it low, and sets `initial` about 0.1 ms later.

    `active` is the level that means on. `safe` is the direction of the pull that
    holds the line when no program drives it; by default that of `initial`.

    Raises:
        BusError: no access, no such line, or another program holds it.
    """
    return OutputLine(
        line, active=active, initial=initial, safe=initial if safe is None else safe
    )


def open_pwm(line: LineName, *, frequency_hz: float) -> PwmLine:
    """Output pulses, 0.1 to 10 000 per second, from lgpio's own thread.

    Raises:
        BusError: no access, no such line, or another program holds it.
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
    """Observe the edges of a line.

    `on_change` is called with True when the line becomes active and with False when
    it becomes inactive, and with the kernel's time of the edge (monotonic, ns). It is
    called on a thread of lgpio, so it must return at once. `active` is the level that
    means True; by default the level opposite to the pull, so that True is a pressed
    button. A level is reported after it has lasted `bounce_s`.

    Raises:
        BusError: no access, no such line, or another program holds it.
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
    """Return a callback that turns the ticks of an edge into its time.

    Ticks of another clock are replaced by the time of the call. lgpio adds the
    bounce time to the ticks (lgPthAlerts.c, xDebWatEvt), so it is subtracted.
    """
    bounce_ns = round(bounce_s * 1e9)

    def changed(ticks_s: float, is_active: bool) -> None:
        now_ns, at_ns = clock(), round(ticks_s * 1e9)
        if not now_ns - _SECOND_NS < at_ns <= now_ns:
            at_ns = now_ns
        on_change(is_active, at_ns - bounce_ns)

    return changed


def open_interrupt(line: LineName, on_rise: Callable[[float], None]) -> InputLine:
    """Observe the interrupt line of a chip, which rises when data are ready.

    `on_rise` is called on a thread of lgpio and must return at once; its argument is
    the kernel's time of the edge in s. The clock is CLOCK_MONOTONIC since Linux 5.7
    (include/uapi/linux/gpio.h), and another clock before, or with other libraries.

    Raises:
        BusError: no access, no such line, or another program holds it.
    """
    return InputLine(
        line,
        on_edge=lambda ticks, _is_active: on_rise(ticks),
        pull="down",  # a loose wire then reads low instead of picking up noise
        active="high",
        bounce_s=0,
        edges="rising",
    )


def simulated() -> bool:
    """Return whether lines are simulated, because this machine has none.

    Raises:
        BusError: this machine has GPIO chips, but they cannot be opened.
    """
    return is_simulated(factory())
