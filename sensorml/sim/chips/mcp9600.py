"""MCP9600, the registers of a thermocouple converter.

Data sheet: Microchip DS20005426, Table 5-1 (registers) and section 5.2.1
(status). Left out: alerts, burst mode, the filter and the raw data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip

_HOT, _DELTA, _COLD, _RAW, _STATUS, _SENSOR, _DEVICE = range(7)
_ALERTS = range(0x08, 0x0C)
_HYSTERESES = range(0x0C, 0x10)
_LIMITS = range(0x10, 0x14)
_ID = 0x20

_UPDATED, _OUT_OF_RANGE = 0x40, 0x10


class Chip(WideChip):
    """One MCP9600 between `hot_celsius` and `cold_celsius`."""

    RESET: ClassVar = {
        _HOT: b"\x00\x00",
        _DELTA: b"\x00\x00",
        _COLD: b"\x00\x00",
        _RAW: b"\x00\x00\x00",
        **dict.fromkeys((_STATUS, _SENSOR, _DEVICE, *_ALERTS, *_HYSTERESES), b"\x00"),
        **dict.fromkeys(_LIMITS, b"\x00\x00"),
        _ID: b"\x40\x10",
    }
    READ_ONLY: ClassVar = frozenset({_HOT, _DELTA, _COLD, _RAW, _ID})

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.hot_celsius = 180.0
        self.cold_celsius = 24.0
        self.out_of_range = False
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self.held[_DEVICE][0] & 0x03 == 0x01

    def value(self, register: int) -> bytes:
        if not (self.asleep or self.frozen):
            difference = self.hot_celsius - self.cold_celsius
            self.held[_HOT] = _sixteenths(self.hot_celsius)
            self.held[_DELTA] = _sixteenths(difference)
            self.held[_COLD] = _sixteenths(self.cold_celsius)
            flags = _UPDATED | (_OUT_OF_RANGE if self.out_of_range else 0)
            self.held[_STATUS] = bytes((flags,))
        return super().value(register)


def _sixteenths(celsius: float) -> bytes:
    return round(celsius * 16).to_bytes(2, "big", signed=True)
