"""BMP180, the registers of a sensor for temperature and pressure.

Data sheet: Bosch BST-BMP180-DS000, sections 3.3 (conversion times), 3.5 (the example,
whose calibration and counts it has) and 4 (registers). Left out: the soft reset.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_CALIBRATION = 0xAA
_ID = 0xD0
_CONTROL = 0xF4
_DATA, _END = 0xF6, 0xF9

_RUNNING = 0x20
_TEMPERATURE = 0x0E
_PRESSURES_NS = (4_500_000, 7_500_000, 13_500_000, 25_500_000)
_EXAMPLE = struct.pack(
    ">hhhHHHhhhhh",
    *(408, -72, -14383, 32741, 32757, 23153),
    *(6190, 4, -32768, -8711, 2868),
)


class Chip(RegisterChip):
    """One BMP180 whose converter returns `counts` of temperature and pressure."""

    POWER_ON: ClassVar = {
        _ID: 0x55,
        _DATA: 0x80,
        **dict(enumerate(_EXAMPLE, _CALIBRATION)),
    }
    SIZE: ClassVar = 0x100

    def __init__(
        self,
        _machine: Machine | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.counts = (27_898, 23_843)
        self._clock = clock
        super().__init__()

    @property
    def asleep(self) -> bool:
        self._catch_up()
        return not self._registers[_CONTROL] & _RUNNING

    def brown_out(self) -> None:
        super().brown_out()
        self._done_ns = 0

    def _catch_up(self) -> None:
        control = self._registers[_CONTROL]
        if not control & _RUNNING or self._clock() < self._done_ns:
            return
        self._registers[_CONTROL] = control & ~_RUNNING
        if not self.frozen:
            of_pressure = control & 0x1F != _TEMPERATURE
            count = self.counts[of_pressure] << 8
            self._registers[_DATA:_END] = count.to_bytes(3, "big")

    def _set(self, register: int, value: int) -> None:
        if register != _CONTROL:
            return
        super()._set(register, value)
        of_pressure = value & 0x1F != _TEMPERATURE
        took_ns = _PRESSURES_NS[value >> 6] if of_pressure else _PRESSURES_NS[0]
        self._done_ns = self._clock() + took_ns
