"""BMP390, the registers of a sensor of air pressure.

Data sheet: Bosch BST-BMP390-DS002, sections 3.3 (modes) and 4.3 (CHIP_ID 0x00, data
0x04 to 0x09, PWR_CTRL 0x1B, trimming coefficients 0x31 to 0x45, CMD 0x7E). The
coefficients and counts are those of a real chip, from the tests of Shimmer's open
driver. Left out: the FIFO, interrupts, forced mode, the time that measuring takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_CHIP_ID = 0x00
_DATA, _END = 0x04, 0x0A
_PWR_CTRL, _CONFIG = 0x1B, 0x1F
_TRIM, _CMD = 0x31, 0x7E

_NORMAL = 0x33
_RESET = 0xB6
_COEFFICIENTS = bytes.fromhex("e76bf04af9ab1c9b150601d249185f03fa3a0f07f5")
_SKIPPED = bytes.fromhex("000080000080")


class Chip(RegisterChip):
    """One BMP390 whose converter returns `counts` of temperature and pressure."""

    POWER_ON: ClassVar = {
        _PWR_CTRL: 0x00,
        0x1C: 0x02,
        **dict(enumerate(_COEFFICIENTS, _TRIM)),
    }

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
        *,
        identity: int = 0x60,
    ) -> None:
        self.counts = (0x7FCF00, 0x641700)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._registers[_PWR_CTRL] & _NORMAL != _NORMAL

    def brown_out(self) -> None:
        super().brown_out()
        self._registers[_CHIP_ID] = self._identity
        self._registers[_DATA:_END] = _SKIPPED

    def _catch_up(self) -> None:
        if self.asleep or self.frozen:
            return
        temperature, pressure = self.counts
        data = pressure.to_bytes(3, "little") + temperature.to_bytes(3, "little")
        self._registers[_DATA:_END] = data

    def _set(self, register: int, value: int) -> None:
        if register == _CMD and value == _RESET:
            self.brown_out()
        elif _PWR_CTRL <= register <= _CONFIG:
            super()._set(register, value)
