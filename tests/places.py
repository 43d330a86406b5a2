"""Where the chips of a test are, and whose time it is there.

A contract that is proven on `Simulated` holds on every other place that has the
same methods: `lab/place.py` has that of a kernel's bus.
"""

from __future__ import annotations

from collections.abc import Mapping

from sensorml.buses.i2c import Device, I2cOptions
from sensorml.interfaces import I2C
from sensorml.sim.bus import SimBus
from sensorml.sim.registers import RegisterChip


class Simulated:
    """A bus without wires. Time passes when told to, and a little at each look."""

    bus = "sim"
    """What a driver's options say."""

    def __init__(self) -> None:
        self.now_ns = 10**12
        self._chips: Mapping[int, RegisterChip] = {}

    def clock(self) -> int:
        self.now_ns += 5_000
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def put(self, chips: Mapping[int, RegisterChip]) -> None:
        """Have these chips on the bus, by their address, and no others."""
        self._chips = chips

    def connect(self, options: I2cOptions, chip: str) -> I2C:
        return Device(SimBus(self._chips), options, chip)
