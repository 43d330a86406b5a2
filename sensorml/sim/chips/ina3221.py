"""INA3221, the registers of a current and voltage monitor with three channels.

Data sheet: TI SBOS576, section "Register Maps". Left out: the averages' time, single
conversions, the alerts and the sums.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip

_CONFIGURATION = 0x00
_VOLTAGES = range(1, 7)
_MAKER, _DIE = 0xFE, 0xFF


class Chip(WideChip):
    """One INA3221 that sees `shunt_v` and `bus_v` on its channels."""

    RESET: ClassVar = {
        _CONFIGURATION: b"\x71\x27",
        **dict.fromkeys(_VOLTAGES, b"\x00\x00"),
        _MAKER: b"TI",
        _DIE: b"\x32\x20",
    }
    READ_ONLY: ClassVar = frozenset({*_VOLTAGES, _MAKER, _DIE})

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.shunt_v = [0.05, 0.02, -0.01]
        self.bus_v = [12.0, 5.0, 3.304]
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self.held[_CONFIGURATION][1] & 7 in {0, 4}

    def value(self, register: int) -> bytes:
        if register in _VOLTAGES and not (self.asleep or self.frozen):
            channel, of_bus = divmod(register - 1, 2)
            if self.held[_CONFIGURATION][0] & 0x40 >> channel:
                volts = (self.bus_v if of_bus else self.shunt_v)[channel]
                self.held[register] = _left(volts / (8e-3 if of_bus else 40e-6))
        return super().value(register)


def _left(count: float) -> bytes:
    """Return a count of 13 bits, left-justified."""
    count = max(-4096, min(round(count), 4095))
    return (count << 3).to_bytes(2, "big", signed=True)
