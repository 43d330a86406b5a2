"""VCNL4040, the registers of a proximity and light sensor.

Data sheet: Vishay 84274, "Command Register Format" (Tables 1 to 16). Left out:
interrupts, cancellation, and the effect of the LED's current on the proximity.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip

_ALS_CONF, _PS_CONF_1_2 = 0x00, 0x03
_PS_DATA, _ALS_DATA, _WHITE_DATA, _INT_FLAG, _ID = range(0x08, 0x0D)

_SHUT_DOWN = 0x01


class Chip(WideChip):
    """One VCNL4040 with something at `proximity`, in a light of `lux`."""

    RESET: ClassVar = {
        **dict.fromkeys(range(_INT_FLAG + 1), b"\x00\x00"),
        _ALS_CONF: b"\x01\x00",
        _PS_CONF_1_2: b"\x01\x00",
        _ID: b"\x86\x01",
    }
    READ_ONLY: ClassVar = frozenset({_PS_DATA, _ALS_DATA, _WHITE_DATA, _INT_FLAG, _ID})

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.proximity = 1200
        self.lux = 350.0
        super().__init__()

    @property
    def asleep(self) -> bool:
        both = self.held[_ALS_CONF][0] & self.held[_PS_CONF_1_2][0]
        return bool(both & _SHUT_DOWN)

    def value(self, register: int) -> bytes:
        if not (self.asleep or self.frozen):
            self.held[_PS_DATA] = _word(self.proximity)
            step_lx = 0.1 / 2 ** (self.held[_ALS_CONF][0] >> 6)
            self.held[_ALS_DATA] = _word(round(self.lux / step_lx))
        return super().value(register)


def _word(number: int) -> bytes:
    return min(number, 0xFFFF).to_bytes(2, "little")
