"""Simulated buses with their own clock, for the contracts of chips and drivers.

`lab/kernel_bus.py` has the same methods for a bus of a real kernel, so the same
contracts run on both.
"""

from __future__ import annotations

from collections.abc import Mapping

from sensorml import plugins
from sensorml.buses.i2c import I2cConnection, I2cOptions
from sensorml.buses.spi import ChipSelectOptions, Framing, SpiConnection
from sensorml.interfaces import Registers
from sensorml.sim.bus import SimBus
from sensorml.sim.registers import RegisterChip
from sensorml.sim.spi import SimSelect, SpiChip


class Passing:
    """A bus whose time passes in `wait`, and by 5 µs at each look at the clock."""

    name = "sim"
    """The value of a driver's option `bus`."""

    def __init__(self) -> None:
        self.now_ns = 10**12

    def clock(self) -> int:
        self.now_ns += 5_000
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class SimulatedBus(Passing):
    """An I2C bus with its own clock."""

    def __init__(self) -> None:
        super().__init__()
        self._chips: Mapping[int, RegisterChip] = {}

    def put(self, chips: Mapping[int, RegisterChip]) -> None:
        """Replace the chips on the bus by these, given by address."""
        self._chips = chips

    def attach(self, options: I2cOptions, chip: RegisterChip) -> None:
        """Replace the chips on the bus by this one."""
        self.put({options.address: chip})

    def connect(self, options: I2cOptions, chip: str) -> Registers:
        return I2cConnection(SimBus(self._chips), options, chip)


class SimulatedSelect(Passing):
    """A chip select with its own clock."""

    def attach(self, _options: ChipSelectOptions, chip: SpiChip) -> None:
        """Replace the chip by this one."""
        self._chip = chip

    def connect(self, _options: ChipSelectOptions, chip: str) -> SpiConnection:
        framing: Framing = plugins.driver(chip).SPI
        return SpiConnection(SimSelect(self._chip), framing, f"{chip} on sim")
