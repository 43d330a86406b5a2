"""BME280 and BMP280, the registers of sensors for the air.

Data sheet: Bosch BST-BME280-DS002, sections 5.3 (memory map), 5.4 (registers)
and 3.3 (modes). The trimming parameters are those of the example in Bosch
BST-BMP280-DS001, section 3.12; those for humidity are typical ones. A BMP280
(identity 0x56 to 0x58) has no registers for humidity: here they read 0. Left out:
oversampling, the filter, forced mode, and the time that measuring takes.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_TRIM_1, _TRIM_2 = 0x88, 0xE1
_ID, _RESET = 0xD0, 0xE0
_CTRL_HUM, _STATUS, _CTRL_MEAS, _CONFIG = 0xF2, 0xF3, 0xF4, 0xF5
_DATA, _END = 0xF7, 0xFF

_NORMAL = 0x03
_SKIPPED = bytes.fromhex("8000008000008000")
_TRIM = struct.pack(
    "<Hhh Hhhhhhhhh xB",
    *(27504, 26435, -1000),
    *(36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000),
    75,
)
_TRIM_H = struct.pack("<hB", 370, 0) + bytes((307 >> 4, 307 & 15 | 2 << 4, 3, 30))
_WRITABLE = {_RESET, _CTRL_HUM, _CTRL_MEAS, _CONFIG}
_BMP280 = range(0x56, 0x59)
_HUMIDITY = _DATA + 6


class Chip(RegisterChip):
    """One BME280 whose converter gives `counts` of temperature, pressure, humidity."""

    POWER_ON: ClassVar = {}
    SIZE: ClassVar = 0x100

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
        *,
        identity: int = 0x60,
    ) -> None:
        self.counts = (519_888, 415_148, 30_000)
        self._identity = identity
        super().__init__()

    @property
    def _dry(self) -> bool:
        return self._identity in _BMP280

    @property
    def asleep(self) -> bool:
        return self._registers[_CTRL_MEAS] & _NORMAL != _NORMAL

    def brown_out(self) -> None:
        super().brown_out()
        self._registers[_ID] = self._identity
        self._registers[_TRIM_1 : _TRIM_1 + len(_TRIM)] = _TRIM
        self._registers[_DATA:_END] = _SKIPPED
        if self._dry:
            self._registers[_TRIM_1 + len(_TRIM) - 1] = 0
            self._registers[_HUMIDITY:_END] = bytes(2)
        else:
            self._registers[_TRIM_2 : _TRIM_2 + len(_TRIM_H)] = _TRIM_H
        self._humidity_on = False

    def _catch_up(self) -> None:
        if self.asleep or self.frozen:
            return
        t, p, h = self.counts
        data = (p << 4).to_bytes(3, "big") + (t << 4).to_bytes(3, "big")
        data += h.to_bytes(2, "big") if self._humidity_on else _SKIPPED[6:]
        end = _HUMIDITY if self._dry else _END
        self._registers[_DATA:end] = data[: end - _DATA]

    def _set(self, register: int, value: int) -> None:
        if register not in _WRITABLE or (register == _CONFIG and not self.asleep):
            return
        if register == _CTRL_HUM and self._dry:
            return
        super()._set(register, value)
        if register == _CTRL_MEAS:
            self._humidity_on = bool(self._registers[_CTRL_HUM] & 7)
