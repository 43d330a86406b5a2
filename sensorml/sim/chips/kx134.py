"""KX134-1211, the registers of a three-axis accelerometer with a sample buffer.

Technical Reference Manual of the Kionix KX134-1211, "Embedded Registers" (data
0x08-0x0D, COTR 0x12, WHO_AM_I 0x13, CNTL1 0x1B, ODCNTL 0x21, SELF_TEST 0x5D,
BUF_CNTL2 0x5F, BUF_STATUS 0x60-0x61, BUF_CLEAR 0x62, BUF_READ 0x63) and "Sample
Buffer Feature Description".

Left out: interrupts but that of the watermark, tap, tilt, wake-up and free-fall
detection, the advanced data path, 8-bit and trigger mode of the buffer, soft
reset.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.converter import NO_PUSH, Converter, Push
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

ROW_BYTES = 6
ROWS = 86

_DATA = 0x08
_COTR, _WHO_AM_I = 0x12, 0x13
_INT_REL = 0x1A
_CNTL1 = 0x1B
_ODCNTL = 0x21
_INC1, _INC4 = 0x22, 0x25
_SELF_TEST = 0x5D
_BUF_CNTL1, _BUF_CNTL2 = 0x5E, 0x5F
_BUF_STATUS_1, _BUF_STATUS_2 = 0x60, 0x61
_BUF_CLEAR = 0x62
_BUF_READ = 0x63
_READ_ONLY = {*range(_INT_REL + 1), _BUF_STATUS_1, _BUF_STATUS_2, _BUF_READ}

_MEASURE = 0x80
_IEN1, _IEA1, _WMI1 = 0x20, 0x10, 0x20
_MEMS_TEST = 0xCA
_PUSH_G: Push = (0.5, 0.5, 0.5)
_USE_BUFFER, _MODE = 0x80, 0x03
_FIFO = 0


class Chip(RegisterChip):
    """One KX134; `identity` is what WHO_AM_I answers."""

    POWER_ON: ClassVar = {_COTR: 0x55, _ODCNTL: 0x06}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0x46,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return not self._registers[_CNTL1] & _MEASURE

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        pin = self._registers[_INC1] & (_IEN1 | _IEA1)
        if pin != _IEN1 | _IEA1 or not self._registers[_INC4] & _WMI1:
            return None
        level = len(self._buffer) // ROW_BYTES
        return self.converter.reaches_ns(self._registers[_BUF_CNTL1] - level)

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_WHO_AM_I] = self._identity
        self._buffer = bytearray()

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        lsb_per_g = 4096 >> (self._registers[_CNTL1] >> 3 & 3)
        counts = self.converter.due(
            ROWS, lsb_per_g, 32768, frozen=self.frozen, push_g=self._push_g()
        )
        for row in counts.tolist():
            self._store(struct.pack("<3h", *row))

    def _push_g(self) -> Push:
        pushes = self._registers[_SELF_TEST] == _MEMS_TEST
        return _PUSH_G if pushes and not self.self_test_fails else NO_PUSH

    def _store(self, sample: bytes) -> None:
        self._registers[_DATA : _DATA + ROW_BYTES] = sample
        control = self._registers[_BUF_CNTL2]
        if not control & _USE_BUFFER:
            return
        if len(self._buffer) == ROWS * ROW_BYTES:
            if control & _MODE == _FIFO:  # full: it stops collecting
                return
            del self._buffer[:ROW_BYTES]
        self._buffer += sample

    def _get(self, register: int) -> int:
        if register == _SELF_TEST:
            return 0  # only to be written
        if register == _BUF_STATUS_1:
            return len(self._buffer) & 0xFF
        if register == _BUF_STATUS_2:
            return len(self._buffer) >> 8
        if register == _BUF_READ:
            return self._buffer.pop(0) if self._buffer else 0
        return super()._get(register)

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        if register == _BUF_CLEAR:
            self._buffer.clear()
            return
        if register != _CNTL1 and not self.asleep:
            return  # settings are taken in standby only
        before = self._registers[register]
        super()._set(register, value)
        if register == _CNTL1 and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                code = self._registers[_ODCNTL] & 0x0F
                self.converter.start(25600 / 2 ** (15 - code))

    def _after(self, register: int) -> int:
        return register if register == _BUF_READ else super()._after(register)
