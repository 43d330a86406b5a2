"""A simulated I2C bus with its own clock, for the contracts of chips and drivers.

`lab/kernel_bus.py` has the same methods for a bus of a real kernel, so the same
contracts run on both.
"""

from __future__ import annotations

from collections.abc import Mapping

from sensorml.buses.i2c import I2cConnection, I2cOptions
from sensorml.interfaces import Registers
from sensorml.sim.bus import SimBus
from sensorml.sim.registers import RegisterChip


class SimulatedBus:
    """A bus whose time passes in `wait`, and by 5 µs at each look at the clock."""

    name = "sim"
    """The value of a driver's option `bus`."""

    def __init__(self) -> None:
        self.now_ns = 10**12
        self._chips: Mapping[int, RegisterChip] = {}

    def clock(self) -> int:
        self.now_ns += 5_000
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    def put(self, chips: Mapping[int, RegisterChip]) -> None:
        """Replace the chips on the bus by these, given by address."""
        self._chips = chips

    def connect(self, options: I2cOptions, chip: str) -> Registers:
        return I2cConnection(SimBus(self._chips), options, chip)
