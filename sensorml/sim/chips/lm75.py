"""LM75, the registers of a temperature sensor.

Data sheet: TI SNIS153, sections "Temperature Register", "Configuration
Register", "T_HYST and T_OS Registers". Left out: the pin OS.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip

_TEMPERATURE, _CONFIGURATION, _THYST, _TOS = range(4)


class Chip(WideChip):
    """One LM75, as warm as `celsius` says."""

    RESET: ClassVar = {
        _TEMPERATURE: b"\x00\x00",
        _CONFIGURATION: b"\x00",
        _THYST: b"\x4b\x00",
        _TOS: b"\x50\x00",
    }
    READ_ONLY: ClassVar = frozenset({_TEMPERATURE})

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.celsius = 21.5
        super().__init__()

    @property
    def asleep(self) -> bool:
        return bool(self.held[_CONFIGURATION][0] & 0x01)

    def value(self, register: int) -> bytes:
        if register == _TEMPERATURE and not (self.asleep or self.frozen):
            steps = round(self.celsius / 0.5)
            self.held[register] = (steps << 7).to_bytes(2, "big", signed=True)
        return super().value(register)
