"""INA219, the registers of a current and voltage monitor.

Data sheet: TI SBOS448, sections "Register Details", "Programming the Calibration
Register" and "Reset". Left out: the smaller ranges.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip, signed_word

_CONFIGURATION, _SHUNT, _BUS, _POWER, _CURRENT, _CALIBRATION = range(6)

_READY = 0x0002
_FULL_SCALE = 32_000


class Chip(WideChip):
    """One INA219 that sees `shunt_v` and `bus_v`."""

    RESET: ClassVar = {
        _CONFIGURATION: b"\x39\x9f",
        **dict.fromkeys((_SHUNT, _BUS, _POWER, _CURRENT, _CALIBRATION), b"\x00\x00"),
    }
    READ_ONLY: ClassVar = frozenset({_SHUNT, _BUS, _POWER, _CURRENT})

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.shunt_v = 0.05
        self.bus_v = 12.0
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self.held[_CONFIGURATION][1] & 7 in {0, 4}

    def value(self, register: int) -> bytes:
        if not (self.asleep or self.frozen):
            shunt = max(-_FULL_SCALE, min(round(self.shunt_v / 10e-6), _FULL_SCALE))
            self.held[_SHUNT] = signed_word(shunt)
            bus = round(self.bus_v / 4e-3) << 3 | _READY
            self.held[_BUS] = bus.to_bytes(2, "big")
            # Both stay zero without a calibration.
            calibration = int.from_bytes(self.held[_CALIBRATION], "big")
            current = shunt * calibration // 4096
            power = current * (bus >> 3) // 5000
            self.held[_CURRENT] = signed_word(current)
            self.held[_POWER] = signed_word(power)
        return super().value(register)
