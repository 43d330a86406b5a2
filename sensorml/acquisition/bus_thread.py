"""Bus threads: each visits the sensors of one bus in turn, for ever.

A sensor that fails is stopped and started again with capped back-off; the
others on its bus lose no more than its own transfers. What is read goes into
one bounded inbox, in the order of the reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from sensorml.acquisition.duplicates import DuplicateCounter
from sensorml.acquisition.inbox import Inbox, Reading, Started
from sensorml.errors import SensormlError, SourceEndedError
from sensorml.interfaces import Driver, Interrupt
from sensorml.types import Block

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 30.0
LOOK_S: Final = 5.0
"""The longest wait at a time, to tell a thread that waits from one that hangs."""


_BUSY_READS: Final = 64
"""Reads in a row for a driver that paces itself, before others have a turn."""
_REST: Final = 0.25
"""Share of its period for which a sensor is not visited again, whatever its
interrupt line says: a line that chatters must leave others their turn."""


class Wake:
    """What bus threads wait for: the stop of all, or a ring for one of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False

    def set(self) -> None:
        """Stop: every wait ends, for ever."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def is_set(self) -> bool:
        return self._stopped

    def ring(self) -> None:
        """Let every thread that waits see whether it is `rung`."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, timeout_s: float, rung: Callable[[], bool]) -> None:
        """Wait until stopped or rung, at most `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or rung(), timeout_s)


class SensorPoller:
    """One sensor on its bus: starts it, reads it, starts it again."""

    def __init__(self, name: str, driver: Driver) -> None:
        self.name = name
        self._driver = driver
        self.gathers = getattr(driver, "interrupt", None) is not None
        """Its samples wait in a FIFO: it may be visited at any time."""
        self.running = False
        """Its driver has started and not failed since."""
        self.iterations = 0
        """How often its bus's thread came to it, to visit it or to wait for it."""
        self._retry_s = FIRST_RETRY_S
        self._started_ns = 0
        self._restarted = False
        self._next_ns: int | None = None  # when the row after the last one is due
        self._rested_ns = 0
        self.rung = False
        """Its interrupt line has said that it is time to read."""
        self._repeats = DuplicateCounter(getattr(driver, "frozen_rows", None))

    def listen(self, wake: Wake) -> None:
        """Let the interrupt line of the driver, if it has one, ring."""
        interrupt: Interrupt | None = getattr(self._driver, "interrupt", None)

        def ring() -> None:
            self.rung = True
            wake.ring()

        if interrupt is not None:
            interrupt.listen(ring)

    def due_ns(self, by_schedule_ns: int, now_ns: int) -> int:
        """Return when the next visit is due: by schedule, or soon once it is rung."""
        if not self.rung:
            return by_schedule_ns
        self.rung = False
        return min(by_schedule_ns, max(now_ns, self._rested_ns))

    def visit(self, inbox: Inbox, clock: Callable[[], int]) -> float | None:
        """Do what is due; return the seconds to the next visit, None: never."""
        wait_s = self._visit(inbox, clock)
        self._rested_ns = clock() + round(_REST * self._driver.period_s * 1e9)
        self.rung = False  # by what has just been read
        return wait_s

    def _visit(self, inbox: Inbox, clock: Callable[[], int]) -> float | None:
        try:
            if not self.running:
                warning = self._driver.start()
                self.running = self._restarted = True
                self._started_ns = clock()
                inbox.put(Reading(self.name, clock(), Started(warning or "")))
                return self._driver.period_s
            paces_itself = self._driver.period_s == 0
            for _ in range(_BUSY_READS if paces_itself else 1):
                block = self._driver.read()
                if block is None:
                    break
                if clock() - self._started_ns >= self._retry_s * 1e9:
                    # One that gives a row at each start is not well for that.
                    self._retry_s = FIRST_RETRY_S
                block = self._repeats.counted(self._continued(block))
                inbox.put(Reading(self.name, clock(), block), wait=paces_itself)
        except SourceEndedError as end:
            self.stop()
            inbox.put(Reading(self.name, clock(), end))
            return None
        except SensormlError as error:
            self.stop()
            inbox.put(Reading(self.name, clock(), error))
            wait_s, self._retry_s = self._retry_s, min(self._retry_s * 2, LAST_RETRY_S)
            return wait_s
        return self._driver.period_s

    def _continued(self, block: Block) -> Block:
        """Count as missed what a restarted driver cannot know of: its own absence."""
        period_ns = 1e9 / block.rate_hz
        if self._restarted and self._next_ns is not None:
            # The rows that the driver has counted itself are among these.
            absent = max(1, round((block.start_ns - self._next_ns) / period_ns))
            block = replace(block, missed=max(block.missed, absent))
        self._restarted = False
        self._next_ns = block.start_ns + round(len(block.samples) * period_ns)
        return block

    def stop(self) -> None:
        self.running = False
        # The device may be what failed: putting it to sleep is only tried.
        with suppress(SensormlError):
            self._driver.stop()


def run_bus(
    pollers: Iterable[SensorPoller],
    inbox: Inbox,
    stop: Wake,
    clock: Callable[[], int] = time.monotonic_ns,
) -> None:
    """Visit every poller when it is due until `stop`, or until all have ended.

    Visit n of a sensor is due n periods after its first, however long each
    took: the schedule does not drift, and visits that are overdue are skipped.
    A sensor whose interrupt line rings is due at once, and its schedule counts
    from there. So it does where one is visited because another is to be started:
    that may hold the bus up for a time-out, and a FIFO should be empty then.
    """
    pollers = list(pollers)
    due = dict.fromkeys(pollers, clock())
    for poller in pollers:
        poller.listen(stop)
    try:
        while due and not stop.is_set():
            now_ns = clock()
            due = {each: each.due_ns(at_ns, now_ns) for each, at_ns in due.items()}
            poller = min(due, key=due.__getitem__)
            poller.iterations += 1
            if (early_s := min((due[poller] - now_ns) / 1e9, LOOK_S)) > 0:
                stop.wait(early_s, lambda: any(each.rung for each in pollers))
                continue
            if not poller.running:
                for other in [each for each in due if each.running and each.gathers]:
                    due[other] = now_ns
                    _visit(other, due, inbox, clock)
            _visit(poller, due, inbox, clock)
    finally:
        for poller in pollers:
            poller.stop()


def _visit(
    poller: SensorPoller,
    due: dict[SensorPoller, int],
    inbox: Inbox,
    clock: Callable[[], int],
) -> None:
    wait_s = poller.visit(inbox, clock)
    if wait_s is None:
        del due[poller]
    elif poller.running:
        due[poller] = _next_ns(due[poller], wait_s, clock())
    else:  # a back-off begins with the failure, however late that came
        due[poller] = clock() + round(wait_s * 1e9)


def _next_ns(due_ns: int, wait_s: float, now_ns: int) -> int:
    """Return the first time after `due_ns` by whole waits that is not past."""
    wait_ns = round(wait_s * 1e9)
    if due_ns + wait_ns >= now_ns or not wait_ns:
        return max(due_ns + wait_ns, now_ns)
    return now_ns + (due_ns - now_ns) % wait_ns
