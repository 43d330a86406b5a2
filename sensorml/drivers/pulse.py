"""Pulses on a GPIO line: a tachometer, a flow meter, an energy meter.

The rate follows from the times of the pulses, not from their number in a fixed time
(reciprocal counting): n whole periods between the last pulse of one row and the last
of the next. So its resolution is the same at 2 Hz and at 200 Hz.

The kernel measures the time of a pulse, so a busy computer adds no jitter. The limit
is some thousand pulses per second.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledRows, Rate
from sensorml.errors import BusError
from sensorml.gpio import lines as gpio
from sensorml.interfaces import LineClaim, SensorOptions
from sensorml.types import Block, Channel

MAX_PULSES = 8192
"""The most pulses that are kept between two rows, the newest."""

Quantity = Literal["rate", "count", "jitter"]


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "pulse"`."""

    gpio: int | str
    """BCM number, header pin ("BOARD11") or name ("GPIO17")."""
    pull: Literal["up", "down", "none"] = "up"
    active: Literal["high", "low"] = "low"
    """The level of a pulse, whose first edge is counted."""
    bounce_s: Annotated[float, Meta(ge=0, le=0.1)] = 0.0
    """Shorter pulses are ignored. 0 for a Hall or optical sensor, 0.005 for a reed."""
    rate_hz: Annotated[Rate, Meta(le=20)] = 1.0
    """Rows per second."""
    measure: Annotated[tuple[Quantity, ...], Meta(min_length=1)] = ("rate",)
    """rate: pulses per second, or turns per minute with pulses_per_turn. count: pulses
    since the last row. jitter: the standard deviation of the periods over their
    mean, 0 below three pulses."""
    pulses_per_turn: Annotated[float, Meta(ge=0.001, le=1e6)] | None = None
    still_after_s: Annotated[float, Meta(ge=0.001, le=3600)] = 2.0
    """The rate is 0 after this time without a pulse."""

    @property
    def thread(self) -> str:
        return "gpio"

    def lines(self) -> Iterable[LineClaim]:
        yield LineClaim("gpio", self.gpio)


class Pulse(NamedTuple):
    """The number and the first edge of one pulse."""

    number: int
    at_ns: int


class Train(NamedTuple):
    """The rate, number and jitter of the pulses since the last row."""

    rate_hz: float
    pulses: int
    jitter: float


def channels(options: Options) -> Sequence[Channel]:
    units = {
        "rate": "Hz" if options.pulses_per_turn is None else "rpm",
        "count": "",
        "jitter": "",
    }
    return tuple(Channel(each, units[each]) for each in options.measure)


def decode(pulses: Sequence[Pulse], last: Pulse | None, still_ns: int) -> Train:
    """Turn new pulses into their rate, their number and their jitter.

    `last` is the pulse before them, at which the first period starts, unless pulses
    in between are missing. A period of `still_ns` or more is a standstill.

    >>> def train(*at_ms):
    ...     pulses = [Pulse(n, ms * 1_000_000) for n, ms in enumerate(at_ms, 1)]
    ...     return decode(pulses[1:], pulses[0], still_ns=2_000_000_000)
    >>> train(20, 30, 40)
    Train(rate_hz=100.0, pulses=2, jitter=0.0)
    >>> train(20, 30, 60)
    Train(rate_hz=50.0, pulses=2, jitter=0.5)
    >>> train(20, 9000, 9010)
    Train(rate_hz=100.0, pulses=2, jitter=0.0)
    """
    if not pulses:
        return Train(0.0, 0, 0.0)
    before = 0 if last is None else last.number
    times = [pulse.at_ns for pulse in pulses]
    if last is not None and last.number + 1 == pulses[0].number:
        times.insert(0, last.at_ns)
    periods = [period for a, b in pairwise(times) if (period := b - a) < still_ns]
    count = pulses[-1].number - before
    mean = sum(periods) / len(periods) if periods else 0.0
    if not mean:
        return Train(0.0, count, 0.0)
    spread = math.sqrt(sum((p - mean) ** 2 for p in periods) / len(periods))
    return Train(1e9 / mean, count, spread / mean)


class Driver:
    """One line with its pulses."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._clock = clock
        per_turn = options.pulses_per_turn
        self._scale = 1.0 if per_turn is None else 60 / per_turn
        self._still_ns = round(options.still_after_s * 1e9)
        self._line: gpio.InputLine | None = None
        self._pulses: deque[Pulse] = deque(maxlen=MAX_PULSES)

    def start(self) -> None:
        self.stop()
        self._pulses.clear()
        self._number = 0
        self._last: Pulse | None = None
        self._rate_hz = 0.0
        self._rows = PolledRows(self._options.rate_hz, self._clock)
        self._line = gpio.open_input(
            self._options.gpio,
            on_change=self._changed,
            pull=self._options.pull,
            active=self._options.active,
            bounce_s=self._options.bounce_s,
            clock=self._clock,
        )

    def read(self) -> Block:
        if self._line is None:
            raise BusError(f"GPIO {self._options.gpio}: not started")
        _ = self._line.value  # raises if the line cannot be read any more
        new = [self._pulses.popleft() for _ in range(len(self._pulses))]
        train = decode(new, self._last, self._still_ns)
        if new:
            self._last = new[-1]
            self._rate_hz = train.rate_hz
        values = {
            "rate": self._slowing_hz() * self._scale,
            "count": train.pulses,
            "jitter": train.jitter,
        }
        return self._rows.row([values[each] for each in self._options.measure])

    def stop(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def _changed(self, active: bool, at_ns: int) -> None:
        """Store the first edge of a pulse; called on lgpio's thread."""
        if active:
            self._number += 1
            self._pulses.append(Pulse(self._number, at_ns))

    def _slowing_hz(self) -> float:
        """Return the last rate, limited by the time without a pulse."""
        if self._last is None:
            return 0.0
        silent_ns = self._clock() - self._last.at_ns
        if silent_ns >= self._still_ns:
            return 0.0
        return min(self._rate_hz, 1e9 / silent_ns) if silent_ns > 0 else self._rate_hz
