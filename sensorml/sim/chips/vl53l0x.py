"""VL53L0X, the registers of a distance sensor.

Source: the kernel's drivers/iio/proximity/vl53l0x-i2c.c (SYSRANGE_START 0x00,
SYSTEM_INTERRUPT_CONFIG_GPIO 0x0A, SYSTEM_INTERRUPT_CLEAR 0x0B, RESULT_INT_STATUS
0x13, RESULT_RANGE_STATUS 0x14, identity 0xC0); ST's API vl53l0x_api_core.c for the
status of a range. Left out: its calibration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_SYSRANGE_START = 0x00
_INTERRUPT_CONFIG, _INTERRUPT_CLEAR = 0x0A, 0x0B
_INTERRUPT_STATUS = 0x13
_RESULT = 0x14
_MODEL_ID = 0xC0

_START_STOP, _BACK_TO_BACK = 0x01, 0x02
_READY = 0x01  # beside the status of a range: it has ended
_RANGE_NS = 33_000_000
_RANGE_COMPLETE, _NO_TARGET = 11, 4
_REACH_MM, _NOTHING_MM = 2000, 8190
_READ_ONLY = {*range(_INTERRUPT_STATUS, _RESULT + 12), _MODEL_ID}


class Chip(RegisterChip):
    """One VL53L0X with something `distance_mm` in front of it."""

    POWER_ON: ClassVar = {_MODEL_ID: 0xEE}
    SIZE: ClassVar = 0x100

    def __init__(
        self,
        _machine: Machine | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.distance_mm = 345
        self.status: int | None = None
        """The status of its ranges; None: the one that fits the distance."""
        self._clock = clock
        super().__init__()

    @property
    def asleep(self) -> bool:
        return not self._running or self._ending

    def brown_out(self) -> None:
        super().brown_out()
        self._running = self._ending = False
        self._ready_ns = 0

    def _catch_up(self) -> None:
        now = self._clock()
        if not self._running or now < self._ready_ns:
            return
        self._ready_ns = now + _RANGE_NS
        self._running = not self._ending
        seen = self.distance_mm <= _REACH_MM
        shown_mm = self.distance_mm if seen else _NOTHING_MM
        ended = _RANGE_COMPLETE if seen else _NO_TARGET
        status = ended if self.status is None else self.status
        self._registers[_RESULT] = status << 3 | _READY
        if not self.frozen:
            self._registers[_RESULT + 10 : _RESULT + 12] = shown_mm.to_bytes(2, "big")
        self._registers[_INTERRUPT_STATUS] = self._registers[_INTERRUPT_CONFIG] & 0x07

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        if register == _INTERRUPT_CLEAR:
            self._registers[_INTERRUPT_STATUS] = 0
            return
        if register == _SYSRANGE_START:
            # A stop takes effect after the range that runs.
            self._ending = not value & _BACK_TO_BACK
            if not self._running and value & (_START_STOP | _BACK_TO_BACK):
                self._running = True
                self._registers[_RESULT] &= ~_READY
                self._ready_ns = self._clock() + _RANGE_NS
            return
        super()._set(register, value)
