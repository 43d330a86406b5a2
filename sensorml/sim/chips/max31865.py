"""MAX31865, the registers of a converter for resistance thermometers on SPI.

Data sheet: Maxim MAX31865 (19-6478 Rev 3), "Internal Registers" (Tables 1 to 8). Left
out: the times of a conversion and of a fault-detection cycle, single conversions, the
manual fault-detection cycle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.spi import SpiChip

_CONFIG, _RTD, _FAULTS = 0x00, 0x01, 0x07
_WRITABLE = (_CONFIG, 0x03, 0x04, 0x05, 0x06)
_WRITE = 0x80

_BIAS, _AUTOMATIC, _DETECT, _CLEAR = 0x80, 0x40, 0x0C, 0x02
_TOO_HIGH, _TOO_LOW = 0x80, 0x40


class Chip(SpiChip):
    """One MAX31865 whose converter returns `code`.

    `faults` are bits of the fault status that a fault-detection cycle finds.
    """

    POWER_ON: ClassVar = {0x03: 0xFF, 0x04: 0xFF}
    SIZE: ClassVar = 8

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.code = 8371  # 109.85 Ω of 430 Ω
        self.faults = 0
        super().__init__()

    @property
    def asleep(self) -> bool:
        return not self._registers[_CONFIG] & _BIAS

    @property
    def config(self) -> int:
        return self._registers[_CONFIG]

    def word(self, register: int) -> int:
        """Return two registers."""
        return int.from_bytes(self._registers[register : register + 2], "big")

    def _exchange(self, sent: bytes) -> bytes:
        register = sent[0] & ~_WRITE
        if sent[0] & _WRITE:
            self.write(bytes((register,)) + sent[1:])
            return bytes(len(sent))
        self.write(bytes((register,)))
        return b"\0" + self.read(len(sent) - 1)

    def _catch_up(self) -> None:
        if self.config & (_BIAS | _AUTOMATIC) != _BIAS | _AUTOMATIC or self.frozen:
            return
        if self.code << 1 >= self.word(0x03):
            self._registers[_FAULTS] |= _TOO_HIGH
        if self.code << 1 <= self.word(0x05):
            self._registers[_FAULTS] |= _TOO_LOW
        fault = bool(self._registers[_FAULTS])
        self._registers[_RTD : _RTD + 2] = (self.code << 1 | fault).to_bytes(2, "big")

    def _set(self, register: int, value: int) -> None:
        if register not in _WRITABLE:
            return
        if register == _CONFIG:
            if value & _CLEAR:
                self._registers[_FAULTS] = 0
            if value & _DETECT:
                self._registers[_FAULTS] |= self.faults
            value &= ~(_DETECT | _CLEAR)
        super()._set(register, value)
