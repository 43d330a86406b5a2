"""MAX31855, the 32 bits of a thermocouple converter on SPI.

Data sheet: Maxim MAX31855 (19-5793 Rev 5), Table 2. Left out: the time that a
conversion takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.spi import SpiChip


class Chip(SpiChip):
    """One MAX31855 whose junctions have temperatures and `faults` (SCV, SCG, OC)."""

    POWER_ON: ClassVar = {}

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.hot_celsius = 100.75
        self.cold_celsius = 25.5
        self.faults = 0
        super().__init__()

    def _exchange(self, sent: bytes) -> bytes:
        hot = round(self.hot_celsius * 4) & 0x3FFF
        cold = round(self.cold_celsius * 16) & 0xFFF
        bits = hot << 18 | bool(self.faults) << 16 | cold << 4 | self.faults
        return bits.to_bytes(4, "big").ljust(len(sent), b"\0")[: len(sent)]
