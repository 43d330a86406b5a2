"""A GPIO input as a sensor: a door contact, a float switch, a key.

It returns a row every `period_s`, so that missing rows mean a fault, and one for each
change with the time of its edge. A pulse between two reads is not lost: it is the next
row, and the level after it is the row of the next read.

A level is accepted after it has lasted `bounce_s`. So a row without a change has a time
that is `bounce_s` ago, because the level since then is not yet certain.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from sensorml.errors import BusError
from sensorml.gpio import lines as gpio
from sensorml.interfaces import Cures, LineClaim, SensorOptions
from sensorml.types import Block, Channel

PERIOD_S = 0.05


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "gpio"`."""

    gpio: int | str
    """BCM number, header pin ("BOARD11") or name ("GPIO17")."""
    pull: Literal["up", "down", "none"] = "up"
    active: Literal["high", "low"] = "high"
    """The level that reads 1. With the pull-up, a contact to ground reads 0 while it
    is closed, and 1 when it opens or its wire breaks."""
    bounce_s: Annotated[float, Meta(ge=0, le=1)] = 0.02
    """A level is accepted after it has lasted this long."""

    @property
    def thread(self) -> str:
        return "gpio"

    @property
    def cures(self) -> Cures:
        return Cures(overrun="give the computer less to do")

    def lines(self) -> Iterable[LineClaim]:
        yield LineClaim("gpio", self.gpio)


def channels(_options: Options) -> Sequence[Channel]:
    return (Channel("level", unit=""),)


class Driver:
    """One input line.

    lgpio reports an edge after the new level has lasted `bounce_s`. If a report is
    lost, the level that is read counts after it has differed for the same time, so
    that no wrong level stays for ever.
    """

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = PERIOD_S
        self._options = options
        self._clock = clock
        self._bounce_ns = round(options.bounce_s * 1e9)
        self._line: gpio.InputLine | None = None
        # Two are enough: after a burst both levels are reported, the last one last.
        self._edges: deque[tuple[bool, int]] = deque(maxlen=2)
        self._level = False
        self._last_ns = 0
        self._doubt_ns: int | None = None

    def start(self) -> None:
        self.stop()
        self._edges.clear()
        self._doubt_ns = None
        self._line = gpio.open_input(
            self._options.gpio,
            on_change=self._changed,
            pull=self._options.pull,
            active=self._options.active,
            bounce_s=self._options.bounce_s,
            clock=self._clock,
        )
        self._level = self._line.value

    def read(self) -> Block:
        """Return one row: the oldest change not yet returned, or the level."""
        if self._line is None:
            raise BusError(f"GPIO {self._options.gpio}: not started")
        value = self._line.value
        now = self._clock()
        settled = now - self._bounce_ns
        self._level, at = self._next_edge() or (self._settled(value, now), settled)
        self._last_ns = max(at, self._last_ns + 1)
        return Block(
            samples=np.array([[self._level]], np.float32),
            start_ns=self._last_ns,
            rate_hz=1 / self.period_s,
            age_ns=max(0, now - self._last_ns),
        )

    def stop(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def _changed(self, level: bool, at_ns: int) -> None:
        """Store an edge; called on lgpio's thread."""
        self._edges.append((level, at_ns))

    def _next_edge(self) -> tuple[bool, int] | None:
        while self._edges:
            level, at = self._edges.popleft()
            if level != self._level:
                self._doubt_ns = None
                return level, at
        return None

    def _settled(self, value: bool, now: int) -> bool:
        """Return the accepted level, without an edge."""
        if value == self._level:
            self._doubt_ns = None
            return value
        if self._doubt_ns is None:
            self._doubt_ns = now
        if now - self._doubt_ns < self._bounce_ns:
            return self._level
        self._doubt_ns = None
        return value
