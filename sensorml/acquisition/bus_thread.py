"""Bus threads: each visits the sensors of one bus in turn until the service stops.

A sensor that fails is stopped and started again with a capped back-off; the others
on its bus lose no more time than its own transfers take. Whatever is read goes into
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
from sensorml.backoff import BackOff
from sensorml.buses.ownership import Hold
from sensorml.errors import (
    InUseError,
    SensormlError,
    SourceEndedError,
    UnsettledError,
)
from sensorml.interfaces import DetectsFreezing, Driver, HasInterrupt
from sensorml.types import Block

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 30.0
IN_USE_RETRY_S: Final = 0.5
"""Between attempts to take a chip that another process has: they use no bus."""
LOOK_S: Final = 5.0
"""The longest wait at a time: a thread that is silent for longer hangs."""

_BUSY_READS: Final = 64
"""Reads in a row for a driver that paces itself, before the next sensor is visited."""
_REST: Final = 0.25
"""Share of its period for which a sensor is not visited again, even if its interrupt
line rises: a line that chatters must not keep the bus from other sensors."""


class Wake:
    """The condition that bus threads wait for: a stop, or an interrupt of a sensor."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False

    def set(self) -> None:
        """Stop all threads: every wait ends, now and later."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def is_set(self) -> bool:
        return self._stopped

    def notify(self) -> None:
        """Let every thread that waits check whether it is `woken`."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, timeout_s: float, woken: Callable[[], bool]) -> None:
        """Wait until stopped or woken, at most `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or woken(), timeout_s)


class SensorPoller:
    """One sensor on its bus: starts it, reads it, restarts it after a failure."""

    def __init__(
        self,
        name: str,
        driver: Driver,
        names: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Prepare.

        Args:
            name: The sensor's.
            driver: Its driver.
            names: What no other process may use while it runs, see
                `interfaces.SensorOptions.held`.
        """
        self.name = name
        self._driver = driver
        self._hold = Hold(names)
        self.has_fifo = isinstance(driver, HasInterrupt)
        """True where samples wait in the sensor, so that a visit may come any time."""
        self.running = False
        """True once its driver has started, until it fails."""
        self.iterations = 0
        """The times that its bus's thread chose it, to visit it or to wait for it."""
        # Without jitter, because only this thread uses the bus.
        self._back_off = BackOff(
            first_s=FIRST_RETRY_S, longest_s=LAST_RETRY_S, jitter=lambda: 1.0
        )
        self._started_ns = 0
        self._interrupted = False
        self._next_ns: int | None = None  # when the row after the last one is due
        self._rested_ns = 0
        self.woken = False
        """True once its interrupt line has risen since the last visit."""
        self._duplicates = DuplicateCounter(
            driver.frozen_rows if isinstance(driver, DetectsFreezing) else None
        )

    def listen(self, wake: Wake) -> None:
        """Let the interrupt line of the driver, if it has one, wake the thread."""

        def rise() -> None:
            self.woken = True
            wake.notify()

        if isinstance(self._driver, HasInterrupt):
            self._driver.interrupt.listen(rise)

    def due_ns(self, by_schedule_ns: int, now_ns: int) -> int:
        """Return when the next visit is due: on schedule, or soon if it is woken."""
        if not self.woken:
            return by_schedule_ns
        self.woken = False
        return min(by_schedule_ns, max(now_ns, self._rested_ns))

    def visit(self, inbox: Inbox, clock: Callable[[], int]) -> float | None:
        """Start or read it; return the seconds to the next visit, None for never."""
        wait_s = self._visit(inbox, clock)
        self._rested_ns = clock() + round(_REST * self._driver.period_s * 1e9)
        self.woken = False  # those rows have just been read
        return wait_s

    def _visit(self, inbox: Inbox, clock: Callable[[], int]) -> float | None:
        try:
            if not self.running:
                self._hold.take()
                warning = self._driver.start()
                self.running = self._interrupted = True
                self._started_ns = clock()
                inbox.put(Reading(self.name, clock(), Started(warning or "")))
                return self._driver.period_s
            paces_itself = self._driver.period_s == 0
            for _ in range(_BUSY_READS if paces_itself else 1):
                block = self._driver.read()
                if block is None:
                    break
                if clock() - self._started_ns >= self._back_off.longest_next_s * 1e9:
                    # A row after a start is no proof: it may fail again at once.
                    self._back_off.reset()
                block = self._duplicates.counted(self._continued(block))
                inbox.put(Reading(self.name, clock(), block), wait=paces_itself)
        except SourceEndedError as end:
            self.stop()
            inbox.put(Reading(self.name, clock(), end))
            return None
        except UnsettledError as error:
            self._interrupted = True
            inbox.put(Reading(self.name, clock(), error))
        except SensormlError as error:
            self.stop()
            inbox.put(Reading(self.name, clock(), error))
            in_use = isinstance(error, InUseError)
            return IN_USE_RETRY_S if in_use else self._back_off.failed()
        return self._driver.period_s

    def _continued(self, block: Block) -> Block:
        """Count as missed the rows between a failure and the first one after it."""
        period_ns = 1e9 / block.rate_hz
        if self._interrupted and self._next_ns is not None:
            # The rows that the driver has counted itself are among these.
            absent = max(1, round((block.start_ns - self._next_ns) / period_ns))
            block = replace(block, missed=max(block.missed, absent))
        self._interrupted = False
        self._next_ns = block.start_ns + round(len(block.samples) * period_ns)
        return block

    def stop(self) -> None:
        self.running = False
        # The device itself may have failed, so it may not go to sleep.
        with suppress(SensormlError):
            self._driver.stop()
        self._hold.release()


def run_bus(
    pollers: Iterable[SensorPoller],
    inbox: Inbox,
    stop: Wake,
    clock: Callable[[], int] = time.monotonic_ns,
) -> None:
    """Visit every sensor when it is due until `stop`, or until all have ended.

    Visit n of a sensor is due n periods after its first, however long each took: the
    schedule does not drift, and visits that are overdue are skipped. A sensor whose
    interrupt line rises is due at once, and its schedule counts from there. The same
    holds for sensors with a FIFO before another sensor is started: that may block
    the bus for a time-out, and the FIFOs should be empty then.
    """
    pollers = list(pollers)
    due = dict.fromkeys(pollers, clock())
    for poller in pollers:
        poller.listen(stop)
    try:
        while due and not stop.is_set():
            now_ns = clock()
            due = {other: other.due_ns(at_ns, now_ns) for other, at_ns in due.items()}
            poller = min(due, key=due.__getitem__)
            poller.iterations += 1
            if (early_s := min((due[poller] - now_ns) / 1e9, LOOK_S)) > 0:
                stop.wait(early_s, lambda: any(other.woken for other in pollers))
                continue
            if not poller.running:
                for other in [o for o in due if o.running and o.has_fifo]:
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
