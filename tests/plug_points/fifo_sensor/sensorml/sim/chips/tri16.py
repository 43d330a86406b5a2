"""TRI16, the registers of an accelerometer of this example only."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.converter import Converter
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_CONTROL, _COUNT, _DATA = 0x01, 0x02, 0x10
_MEASURE = 0x80


class Chip(RegisterChip):
    """One TRI16: identity 0x16, a FIFO of 64 rows that keeps the newest."""

    POWER_ON: ClassVar = {0x00: 0x16}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        super().__init__()

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._bytes: deque[int] = deque(maxlen=64 * 6)

    def _catch_up(self) -> None:
        if self.converter.waiting():
            counts = self.converter.due(64, 2048, 32768, frozen=self.frozen)
            for row in counts.tolist():
                self._bytes.extend(struct.pack(">3h", *row))

    def _get(self, register: int) -> int:
        if register == _COUNT:
            return len(self._bytes) // 6
        if register == _DATA:
            return self._bytes.popleft() if self._bytes else 0
        return super()._get(register)

    def _set(self, register: int, value: int) -> None:
        super()._set(register, value)
        if register == _CONTROL:
            self._bytes.clear()
            if value & _MEASURE:
                self.converter.start(400.0)
            else:
                self.converter.stop()

    def _after(self, register: int) -> int:
        return register if register == _DATA else super()._after(register)
