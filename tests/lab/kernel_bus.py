"""The kernel's I2C bus, for the contracts of chips and drivers."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adapter import Adapter, Chip, plugged

from sensorml.buses import i2c
from sensorml.buses.i2c import I2cOptions
from sensorml.interfaces import Registers

FAST_HZ = 1_000_000
"""Fast-mode plus, which is fast enough for every rate of every chip."""

_SET_TIMER_SLACK = 29  # linux/prctl.h, in ns


class KernelBus:
    """A bus like `simulated_bus.SimulatedBus`, through smbus2 and /dev/i2c-1."""

    name = 1

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._opened: list[Registers] = []

    @property
    def now_ns(self) -> int:
        return self.clock()

    def clock(self) -> int:
        return time.monotonic_ns()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def put(self, chips: Mapping[int, Chip]) -> None:
        self._adapter.chips = dict(chips)

    def attach(self, options: I2cOptions, chip: Chip) -> None:
        self.put({options.address: chip})

    def connect(self, options: I2cOptions, chip: str) -> Registers:
        device = i2c.connect(options, chip)
        self._opened.append(device)
        return device

    def close(self) -> None:
        """Close all connections, because an adapter in use cannot be unplugged."""
        for device in self._opened:
            device.close()
        self.put({})


@contextmanager
def fast_bus() -> Iterator[Adapter]:
    """Plug in, as i2c-1, an adapter that is fast enough for every chip."""
    adapter = Adapter({})
    adapter.speed_hz = FAST_HZ
    # A byte takes 9 µs, but a sleep lasts up to 50 µs too long with the usual slack.
    # Threads inherit the setting.
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_TIMER_SLACK, 1)
    try:
        with plugged(adapter):
            yield adapter
    finally:
        prctl(_SET_TIMER_SLACK, 0)  # the default again
