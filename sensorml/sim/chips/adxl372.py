"""ADXL372, the registers of a three-axis accelerometer for shocks.

Data sheet: Analog Devices ADXL372 Rev. B, "FIFO" and "Register map" (PARTID 0x02,
FIFO_ENTRIES 0x06, FIFO_SAMPLES 0x39, FIFO_CTL 0x3A, INT1_MAP 0x3B, TIMING 0x3D,
POWER_CTL 0x3F, RESET 0x41, FIFO_DATA 0x42).

Left out: the filters, the self-test, peak detection, wake-up and instant-on modes,
interrupts but that of the watermark, other formats of the FIFO.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.converter import Converter
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

ROWS = 512 // 3

_PARTID = 0x02
_ENTRIES_HIGH, _ENTRIES_LOW = 0x06, 0x07
_FIFO_SAMPLES, _FIFO_CTL, _INT1_MAP = 0x39, 0x3A, 0x3B
_TIMING, _POWER_CTL, _RESET, _FIFO_DATA = 0x3D, 0x3F, 0x41, 0x42
_WRITABLE = range(0x20, _RESET)

_RESET_CODE = 0x52
_MEASURES = 3
_STREAM, _FIFO_FULL = 1, 0x04
_X_MARK = 0x01


class Chip(RegisterChip):
    """One ADXL372; `identity` is what PARTID answers."""

    POWER_ON: ClassVar = {0x00: 0xAD, 0x01: 0x1D, 0x03: 0x03, _FIFO_SAMPLES: 0x80}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0xFA,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._registers[_POWER_CTL] & 3 != _MEASURES

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        if not self._registers[_INT1_MAP] & _FIFO_FULL:
            return None
        high = self._registers[_FIFO_CTL] & 1
        mark = -(-(high << 8 | self._registers[_FIFO_SAMPLES]) // 3)
        return self.converter.reaches_ns(mark - len(self._fifo))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_PARTID] = self._identity
        self._fifo: deque[bytes] = deque()  # rows
        self._row = bytes(6)
        self._byte = 0  # of the row that is being read

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        counts = self.converter.due(ROWS, 10.0, 1 << 11, frozen=self.frozen)
        if self._registers[_FIFO_CTL] >> 1 & 3 != _STREAM:
            return
        for x, y, z in (counts << 4).tolist():
            if len(self._fifo) == ROWS:
                self._fifo.popleft()
            self._fifo.append(struct.pack(">3h", x | _X_MARK, y, z))

    def _get(self, register: int) -> int:
        if register in {_ENTRIES_HIGH, _ENTRIES_LOW}:
            entries = 3 * len(self._fifo)
            return entries >> 8 if register == _ENTRIES_HIGH else entries & 0xFF
        if register != _FIFO_DATA:
            return super()._get(register)
        if not self._byte:
            self._row = self._fifo.popleft() if self._fifo else bytes(6)
        value = self._row[self._byte]
        self._byte = (self._byte + 1) % 6
        return value

    def _set(self, register: int, value: int) -> None:
        if register == _RESET and value == _RESET_CODE:
            self.brown_out()
        if register not in _WRITABLE:
            return
        before = self._registers[register]
        super()._set(register, value)
        if register == _FIFO_CTL and not value >> 1 & 3:
            self._fifo.clear()
        if register in {_POWER_CTL, _TIMING} and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                self.converter.start(400 << (self._registers[_TIMING] >> 5))

    def _take(self, data: bytes) -> None:
        self._byte = 0  # a new transfer begins with a whole entry
        super()._take(data)

    def _after(self, register: int) -> int:
        return register if register == _FIFO_DATA else super()._after(register)
