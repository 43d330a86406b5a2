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

from sensorml.errors import BusError, UnsettledError
from sensorml.gpio import contact
from sensorml.interfaces import Cures, LineClaim, SensorOptions
from sensorml.types import Block, Channel

PERIOD_S = contact.LOOK_NS / 1e9


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "gpio"`."""

    gpio: int | str
    """BCM number, header pin ("BOARD11") or name ("GPIO17")."""
    pull: Literal["up", "down", "none"] = "up"
    active: Literal["high", "low"] = "high"
    """The level that reads 1. With the pull-up, a contact to ground reads 0 while it
    is closed, and 1 when it opens or its wire breaks."""
    bounce_s: Annotated[float, Meta(ge=0, le=1)] = contact.BOUNCE_S
    """A level is accepted after it has lasted this long without an edge."""

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
    """One input line."""

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = PERIOD_S
        self._options = options
        self._clock = clock
        self._bounce_ns = round(options.bounce_s * 1e9)
        self._contact: contact.Contact | None = None
        # Two are enough: after a burst both levels are reported, the last one last.
        self._changes: deque[tuple[bool, int]] = deque(maxlen=2)
        self._last_ns = 0

    def start(self) -> None:
        self.stop()
        self._changes.clear()
        self._contact = contact.open_contact(
            self._options.gpio,
            pull=self._options.pull,
            active=self._options.active,
            bounce_s=self._options.bounce_s,
            clock=self._clock,
        )

    def read(self) -> Block | None:
        """Return one row: the oldest change not yet returned, or the level.

        Raises:
            UnsettledError: the line is disturbed.
        """
        if self._contact is None:
            raise BusError(f"GPIO {self._options.gpio}: not started")
        now_ns = self._clock()
        self._changes.extend(self._contact.look())
        value, at_ns = self._contact.value, now_ns - self._bounce_ns
        if self._changes:
            value, at_ns = self._changes.popleft()
        elif (reason := self._contact.disturbed) is not None:
            raise UnsettledError(*reason)
        elif value is None:
            return None
        self._last_ns = max(at_ns, self._last_ns + 1)
        return Block(
            samples=np.array([[value]], np.float32),
            start_ns=self._last_ns,
            rate_hz=1 / self.period_s,
            age_ns=max(0, now_ns - self._last_ns),
        )

    def stop(self) -> None:
        if self._contact is not None:
            opened, self._contact = self._contact, None
            opened.close()
