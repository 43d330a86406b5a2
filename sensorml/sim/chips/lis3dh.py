"""LIS3DH, the registers of a three-axis accelerometer.

Data sheet: ST LIS3DH (DocID17530), "Register mapping" and "Register
description" (WHO_AM_I 0x0F, CTRL_REG1 0x20, CTRL_REG4 0x23, CTRL_REG5 0x24,
data 0x28-0x2D, FIFO_CTRL_REG 0x2E, FIFO_SRC_REG 0x2F), "I2C operation" for the
auto-increment; application note AN3308, "First-in first-out (FIFO) buffer".

Left out: low-power mode, interrupts but that of the watermark, the high-pass
filter, the auxiliary converter, stream-to-FIFO mode. Its output beyond
its range is not documented: here the counts stop at full scale.
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

_STATUS_AUX, _WHO_AM_I = 0x07, 0x0F
_CTRL_REG1 = 0x20
_CTRL_REG3, _CTRL_REG4 = 0x22, 0x23
_CTRL_REG5, _CTRL_REG6 = 0x24, 0x25
_STATUS = 0x27
_OUT_X_L, _OUT_Z_H = 0x28, 0x2D
_FIFO_CTRL = 0x2E
_FIFO_SRC = 0x2F
_READ_ONLY = {*range(_STATUS_AUX, _WHO_AM_I + 1), *range(_STATUS, _OUT_Z_H + 1)}
_READ_ONLY |= {_FIFO_SRC}

_BOOT, _USE_FIFO = 0x80, 0x40
_HIGH_RESOLUTION = 0x08
_I1_WTM, _ACTIVE_LOW = 0x04, 0x02
_PUSH_G: dict[int, Push] = {1: (0.5, 0.5, 0.5), 2: (-0.5, -0.5, -0.5)}
"""By ST of CTRL_REG4."""
_BYPASS, _FIFO = 0, 1
_WATERMARK, _OVERRUN, _EMPTY = 0x80, 0x40, 0x20
_RATES_HZ = {1: 1, 2: 10, 3: 25, 4: 50, 5: 100, 6: 200, 7: 400, 9: 1344}
_RANGES = ((2, 1), (4, 2), (8, 4), (16, 12))  # in g, and mg per count of 12 bits


class Chip(RegisterChip):
    """One LIS3DH; `identity` is what WHO_AM_I answers."""

    POWER_ON: ClassVar = {_CTRL_REG1: 0x07, 0x1E: 0x10}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0x33,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._registers[_CTRL_REG1] >> 4 not in _RATES_HZ

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        falls = self._registers[_CTRL_REG6] & _ACTIVE_LOW
        if falls or not self._registers[_CTRL_REG3] & _I1_WTM:
            return None
        over = self._registers[_FIFO_CTRL] & 0x1F
        return self.converter.reaches_ns(over + 1 - len(self._fifo))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_WHO_AM_I] = self._identity
        self._increment = False
        self._fifo: deque[bytes] = deque()
        self._data = bytes(6)

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        control = self._registers[_CTRL_REG4]
        range_g, step_mg = _RANGES[control >> 4 & 3]
        top = range_g * 1000 // step_mg
        counts = self.converter.due(
            DEPTH,
            1000 / step_mg,
            top + 1,
            frozen=self.frozen,
            push_g=self._push_g(control >> 1 & 3),
        ).clip(-top, top)
        if not control & _HIGH_RESOLUTION:
            counts &= -4  # 10 bits
        for row in (counts << 4).tolist():
            self._store(struct.pack("<3h", *row))

    def _push_g(self, mode: int) -> Push:
        return NO_PUSH if self.self_test_fails else _PUSH_G.get(mode, NO_PUSH)

    def _store(self, sample: bytes) -> None:
        mode = self._registers[_FIFO_CTRL] >> 6
        if mode == _BYPASS or not self._registers[_CTRL_REG5] & _USE_FIFO:
            self._data = sample
            return
        if len(self._fifo) == DEPTH:
            if mode == _FIFO:  # full: it stops collecting
                return
            self._fifo.popleft()
        self._fifo.append(sample)

    def _get(self, register: int) -> int:
        if register == _FIFO_SRC:
            level = len(self._fifo)
            reached = level > self._registers[_FIFO_CTRL] & 0x1F
            return (
                _WATERMARK * reached
                | _OVERRUN * (level == DEPTH)
                | _EMPTY * (not level)
                | min(level, DEPTH - 1)
            )
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
        if register == _CTRL_REG5:
            value &= ~_BOOT  # clears itself
        before = self._registers[register]
        super()._set(register, value)
        if register == _FIFO_CTRL and value >> 6 == _BYPASS:
            self._fifo.clear()
        if register == _CTRL_REG1 and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                self.converter.start(_RATES_HZ[value >> 4])

    def _take(self, data: bytes) -> None:
        self._increment = bool(data and data[0] & 0x80)
        super()._take(data)

    def _after(self, register: int) -> int:
        if not self._increment:
            return register
        if register == _OUT_Z_H and self._registers[_CTRL_REG5] & _USE_FIFO:
            return _OUT_X_L
        return super()._after(register)
