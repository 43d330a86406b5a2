"""GPIO lines as outputs and inputs; `gpio.names` has their names.

Outputs are lines of the kernel; `gpio.contact` has the inputs that are debounced. All
others are pins of gpiozero, without its devices, because a device turns its line into a
floating input when it is collected, and again at exit.

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
from typing import ClassVar, Literal, Protocol

from sensorml.errors import BusError
from sensorml.gpio.factory import (
    KernelLine,
    as_bus_error,
    factory,
    is_simulated,
    kernel_line,
)
from sensorml.gpio.kernel import PULLS, Flag, LineRequest, Place, configuration
from sensorml.gpio.names import LineName
from sensorml.gpio.pins import ClaimedPin

Level = Literal["high", "low"]
Pull = Literal["up", "down", "none"]
Edges = Literal["both", "rising", "falling"]
OnChange = Callable[[bool, int], None]

_PULLS = {"up": "up", "down": "down", "none": "floating"}
_SECOND_NS = 1_000_000_000


class OutputWire(Protocol):
    """A driven line, of the kernel or of gpiozero."""

    @property
    def high(self) -> bool:
        """The present level."""
        ...

    def set(self, high: bool) -> None: ...

    def close(self) -> None:
        """Release the claim; the line stays driven."""
        ...


class OutputLine:
    """A driven line; made by `open_output`."""

    def __init__(self, line: LineName, wire: OutputWire, active: Level) -> None:
        self._line = line
        self._wire = wire
        self._high_is_on = active == "high"
        self._open = True

    @property
    def value(self) -> bool:
        """Return whether the line is at its active level."""
        with as_bus_error(self._line):
            return self._wire.high == self._high_is_on

    def set(self, on: bool) -> None:
        """Drive the line to its active (on) or inactive level.

        Raises:
            BusError: the line cannot be driven, or is closed.
        """
        if not self._open:
            raise BusError(f"GPIO {self._line}: the output is closed: open it again")
        with as_bus_error(self._line):
            self._wire.set(on == self._high_is_on)

    def close(self, safe: bool) -> None:
        """Set the safe level, keep driving it, and release the claim."""
        if self._open:
            try:
                self.set(safe)
            finally:
                self._open = False
                self._wire.close()


class KernelOutput:
    """An output that the kernel claims at its level, in one call."""

    _left: ClassVar[dict[Place, LineRequest]] = {}
    """Closed outputs, which stay driven until the process ends."""

    def __init__(
        self, line: LineName, at: KernelLine, *, high: bool, pull: Pull
    ) -> None:
        """Claim a line.

        Args:
            line: its name, which other programs are shown as the holder's.
            at: its place.
            high: its level.
            pull: its pull, for the time after the process.
        """
        self._place = at.place
        # A pull against a resistor on the board would halve the level.
        flags = Flag.OUTPUT if at.pull else Flag.OUTPUT | PULLS[pull]
        config = configuration(flags, high=high)
        self._request = self._reclaimed(config) or LineRequest(
            at.place, config, f"sensorml {line}"
        )

    @property
    def high(self) -> bool:
        return self._request.high

    def set(self, high: bool) -> None:
        self._request.set(high)

    def close(self) -> None:
        self._left[self._place] = self._request

    def _reclaimed(self, config: bytes) -> LineRequest | None:
        """Return the request of a closed output on this line, at its new level."""
        request = self._left.pop(self._place, None)
        if request is not None:
            try:
                request.configure(config)
            except OSError:  # the chip has been removed
                request.close()
                return None
        return request


class PinOutput(ClaimedPin):
    """An output by gpiozero; how its level begins is up to the library below."""

    def __init__(self, line: LineName, *, high: bool) -> None:
        super().__init__(line)
        try:
            with as_bus_error(line):
                self._pin.output_with_state(high)
        except BusError:
            self.close()
            raise

    def set(self, high: bool) -> None:
        self._pin.state = high


class InputLine(ClaimedPin):
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
        super().__init__(line)
        self._high_is_on = active == "high"

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
            super().close()
            raise

    @property
    def value(self) -> bool:
        """Return whether the line is at its active level now, bounces included."""
        return self.high == self._high_is_on

    def observe(self, on: bool) -> None:
        """Stop or continue to observe the line."""
        with as_bus_error(self._line):
            self._pin.when_changed = self._changed if on else None

    def close(self) -> None:
        """Stop observing the line. A second call does nothing."""
        if self.is_open:
            try:
                self.observe(False)
            finally:
                super().close()


class PwmLine(ClaimedPin):
    """A line with a duty cycle; made by `open_pwm`."""

    def __init__(self, line: LineName, *, frequency_hz: float) -> None:
        super().__init__(line)
        try:
            with as_bus_error(line):
                self._pin.output_with_state(False)
                self._pin.frequency = frequency_hz
        except BusError:
            super().close()
            raise

    def set(self, duty: float) -> None:
        """Set the share of each period that is high, from the next period on.

        Raises:
            BusError: the line cannot be driven, or is closed.
        """
        if not self.is_open:
            raise BusError(f"GPIO {self._line}: the output is closed: open it again")
        with as_bus_error(self._line):
            self._pin.state = duty

    def close(self) -> None:
        """Set the line low, keep driving it, and release the claim."""
        if self.is_open:
            try:
                with as_bus_error(self._line):
                    self._pin.frequency = None
                    self._pin.state = False
            finally:
                super().close()


def open_output(
    line: LineName, *, active: Level, initial: bool, safe: bool | None = None
) -> OutputLine:
    """Drive a line, at `initial` from the first moment.

    `active` is the level that means on. `safe` is the direction of the pull that
    holds the line when no program drives it; by default that of `initial`.

    Raises:
        BusError: no access, no such line, or another program holds it.
    """
    high_is_on = active == "high"
    high = initial == high_is_on
    held_high = high if safe is None else safe == high_is_on
    with as_bus_error(line):
        at = kernel_line(line)
        if at is None:
            return OutputLine(line, PinOutput(line, high=high), active)
        pull: Pull = "up" if held_high else "down"
        return OutputLine(line, KernelOutput(line, at, high=high, pull=pull), active)


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

    lgpio adds the bounce time to them (lgPthAlerts.c, xDebWatEvt).
    """
    bounce_ns = round(bounce_s * 1e9)

    def changed(ticks_s: float, is_active: bool) -> None:
        on_change(is_active, kernel_time_ns(ticks_s, clock()) - bounce_ns)

    return changed


def kernel_time_ns(ticks_s: float, now_ns: int) -> int:
    """Return the time of an edge by its ticks; now, if they are of another clock."""
    at_ns = round(ticks_s * 1e9)
    return at_ns if now_ns - _SECOND_NS < at_ns <= now_ns else now_ns


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
