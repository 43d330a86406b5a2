"""Errors of a driver's time stamps, on the buses of the kernel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

import numpy as np
from time_signal import sampled_ns

from sensorml.acquisition.bus_thread import SensorPoller, Wake, run_bus
from sensorml.acquisition.inbox import Inbox, Reading
from sensorml.interfaces import Driver


class TimeErrors:
    """The errors of one driver's blocks against the samples that its chip took."""

    def __init__(self, chip, driver):
        self.chip = chip
        self.driver = driver
        self.rows = self.missed = self.gaps = 0
        self.errors_ns = []
        self.worst_ppm = 0.0
        self._last_ns = None

    def add(self, block, *, settled):
        """Compare a block; its rate counts only when the clock has settled."""
        true_ns = sampled_ns(block.samples) + self.chip.converter.born_ns
        period_ns = 1e9 / self.chip.converter.rate_hz
        times_ns = block.start_ns + np.arange(len(true_ns)) * 1e9 / block.rate_hz
        self.errors_ns.append(times_ns - true_ns)
        self.rows += len(true_ns)
        self.missed += block.missed
        if self._last_ns is not None:
            steps = np.diff([self._last_ns, *true_ns]) / period_ns
            self.gaps += int((abs(steps - 1) > 0.1).sum())
        self._last_ns = true_ns[-1]
        if settled:
            ppm = (block.rate_hz / self.chip.converter.rate_hz - 1) * 1e6
            self.worst_ppm = max(self.worst_ppm, abs(ppm))


def poll(drivers: Mapping[str, Driver], duration_s: float) -> Iterator[Reading]:
    """Yield what a bus thread reads from drivers in `duration_s`."""
    inbox, stop = Inbox(), Wake()
    pollers = [SensorPoller(name, driver) for name, driver in drivers.items()]
    thread = threading.Thread(target=run_bus, args=(pollers, inbox, stop))
    thread.start()
    end = time.monotonic() + duration_s
    try:
        while time.monotonic() < end:
            if (reading := inbox.get(1.0)) is not None:
                yield reading
    finally:
        stop.set()
        thread.join()
