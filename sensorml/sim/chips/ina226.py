"""INA226, the registers of a current and voltage monitor.

Data sheet: TI SBOS547, sections "Register Maps", "Configuration Register" and
"Programming the Calibration Register". Left out: alerts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip, signed_word

_CONFIGURATION, _SHUNT, _BUS, _POWER, _CURRENT, _CALIBRATION, _MASK, _LIMIT = range(8)
_MANUFACTURER, _DIE = 0xFE, 0xFF


class Chip(WideChip):
    """One INA226 that sees `shunt_v` and `bus_v`."""

    RESET: ClassVar = {
        **dict.fromkeys(range(_SHUNT, _LIMIT + 1), b"\x00\x00"),
        _CONFIGURATION: b"\x41\x27",
        _MANUFACTURER: b"TI",
        _DIE: b"\x22\x60",
    }
    READ_ONLY: ClassVar = frozenset(
        {_SHUNT, _BUS, _POWER, _CURRENT, _MANUFACTURER, _DIE}
    )

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
            shunt = max(-0x8000, min(round(self.shunt_v / 2.5e-6), 0x7FFF))
            bus = round(self.bus_v / 1.25e-3)
            self.held[_SHUNT] = signed_word(shunt)
            self.held[_BUS] = bus.to_bytes(2, "big")
            # Both stay zero without a calibration.
            calibration = int.from_bytes(self.held[_CALIBRATION], "big")
            current = shunt * calibration // 2048
            self.held[_CURRENT] = signed_word(current)
            self.held[_POWER] = signed_word(abs(current) * bus // 20_000)
        return super().value(register)
