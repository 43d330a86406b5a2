"""LIS2DW12, the registers of a three-axis accelerometer.

Data sheet: ST LIS2DW12 (DS12105), "Register mapping" and "Register description"
(WHO_AM_I 0x0F, CTRL1 0x20 to CTRL6 0x25, data 0x28-0x2D, FIFO_CTRL 0x2E,
FIFO_SAMPLES 0x2F, CTRL7 0x3F); application note AN5038, "FIFO".

Left out: low-power and single-conversion modes, interrupts but that of the watermark,
the high-pass filter, the temperature.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.converter import NO_PUSH, Converter, Push
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

DEPTH = 32

_WHO_AM_I = 0x0F
_CTRL1, _CTRL2, _CTRL3, _CTRL4_INT1, _CTRL6 = 0x20, 0x21, 0x22, 0x23, 0x25
_STATUS = 0x27
_OUT_X_L, _OUT_Z_H = 0x28, 0x2D
_FIFO_CTRL, _FIFO_SAMPLES, _CTRL7 = 0x2E, 0x2F, 0x3F
_READ_ONLY = {0x0D, 0x0E, _WHO_AM_I, 0x26, *range(_STATUS, _OUT_Z_H + 1), _FIFO_SAMPLES}

_BOOT, _SOFT_RESET, _INCREMENT = 0x80, 0x40, 0x04
_ACTIVE_LOW, _INT1_FTH, _INTERRUPTS = 0x08, 0x02, 0x20
_PUSH_G: dict[int, Push] = {1: (0.4, 0.4, 0.4), 2: (-0.4, -0.4, -0.4)}
"""By ST of CTRL3."""
_BYPASS, _FIFO = 0, 1
_WATERMARK, _OVERRUN = 0x80, 0x40
_RATES_HZ = {2: 12.5, 3: 25, 4: 50, 5: 100, 6: 200, 7: 400, 8: 800, 9: 1600}
_STEPS_MG = (0.244, 0.488, 0.976, 1.952)


class Chip(RegisterChip):
    """One LIS2DW12; `identity` is what WHO_AM_I answers."""

    POWER_ON: ClassVar = {_CTRL2: _INCREMENT}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0x44,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._registers[_CTRL1] >> 4 not in _RATES_HZ

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        falls = self._registers[_CTRL3] & _ACTIVE_LOW
        enabled = self._registers[_CTRL7] & _INTERRUPTS
        if falls or not enabled or not self._registers[_CTRL4_INT1] & _INT1_FTH:
            return None
        mark = self._registers[_FIFO_CTRL] & 0x1F
        return self.converter.reaches_ns(mark - len(self._fifo))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_WHO_AM_I] = self._identity
        self._fifo: deque[bytes] = deque()
        self._data = bytes(6)

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        step_mg = _STEPS_MG[self._registers[_CTRL6] >> 4 & 3]
        counts = self.converter.due(
            DEPTH,
            1000 / step_mg,
            1 << 13,
            frozen=self.frozen,
            push_g=self._push_g(self._registers[_CTRL3] >> 6),
        )
        for row in (counts << 2).tolist():
            self._store(struct.pack("<3h", *row))

    def _push_g(self, mode: int) -> Push:
        return NO_PUSH if self.self_test_fails else _PUSH_G.get(mode, NO_PUSH)

    def _store(self, sample: bytes) -> None:
        mode = self._registers[_FIFO_CTRL] >> 5
        if mode == _BYPASS:
            self._data = sample
            return
        if len(self._fifo) == DEPTH:
            if mode == _FIFO:  # full: it stops collecting
                return
            self._fifo.popleft()
        self._fifo.append(sample)

    def _get(self, register: int) -> int:
        if register == _FIFO_SAMPLES:
            level = len(self._fifo)
            reached = level >= self._registers[_FIFO_CTRL] & 0x1F
            return _WATERMARK * reached | _OVERRUN * (level == DEPTH) | level
        if _OUT_X_L <= register <= _OUT_Z_H:
            # Reading X takes the oldest entry into the data registers, so that
            # a burst of six bytes is one sample.
            if register == _OUT_X_L and self._fifo:
                self._data = self._fifo.popleft()
            return self._data[register - _OUT_X_L]
        return super()._get(register)

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        if register == _CTRL2:
            if value & _SOFT_RESET:
                self.brown_out()
                return
            value &= ~_BOOT  # clears itself
        before = self._registers[register]
        super()._set(register, value)
        if register == _FIFO_CTRL and value >> 5 == _BYPASS:
            self._fifo.clear()
        if register == _CTRL1 and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                self.converter.start(_RATES_HZ[value >> 4])

    def _after(self, register: int) -> int:
        if not self._registers[_CTRL2] & _INCREMENT:
            return register
        if register == _OUT_Z_H and self._registers[_FIFO_CTRL] >> 5 != _BYPASS:
            return _OUT_X_L
        return super()._after(register)
