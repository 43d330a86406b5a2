"""BMI160, the registers of a six-axis sensor, of which the accelerometer runs.

Data sheet: Bosch BMI160 (BST-BMI160-DS000), sections 2.5 (FIFO) and 2.11 (register
map: CHIPID 0x00, PMU_STATUS 0x03, FIFO_LENGTH 0x22, FIFO_DATA 0x24, ACC_CONF 0x40,
ACC_RANGE 0x41, FIFO_CONFIG 0x46 and 0x47, CMD 0x7E).

Left out: the gyroscope, frames with headers, low-power mode, the filters, the
self-test, interrupts but that of the watermark, the time that waking up takes.
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

DEPTH = 1024 // 6

_CHIP_ID, _PMU_STATUS = 0x00, 0x03
_LENGTH_LOW, _LENGTH_HIGH, _FIFO_DATA = 0x22, 0x23, 0x24
_ACC_CONF, _ACC_RANGE = 0x40, 0x41
_FIFO_MARK, _FIFO_CONFIG = 0x46, 0x47
_INT_EN_1, _INT_OUT_CTRL, _INT_MAP_1, _CMD = 0x51, 0x53, 0x56, 0x7E
_READ_ONLY = range(_CHIP_ID, _FIFO_DATA + 1)

_ACC_NORMAL, _ACC_SUSPEND, _FLUSH, _RESET = 0x11, 0x10, 0xB0, 0xB6
_AWAKE = 0x10
_ACC_ROWS, _MARK, _OUTPUT_HIGH = 0x40, 0x40, 0x0A
_EMPTY = 0x80
_RANGES_G = {3: 2, 5: 4, 8: 8, 12: 16}
_RATES_HZ = {6: 25, 7: 50, 8: 100, 9: 200, 10: 400, 11: 800, 12: 1600}


class Chip(RegisterChip):
    """One BMI160; `identity` is what CHIPID answers."""

    POWER_ON: ClassVar = {_ACC_CONF: 0x28, _ACC_RANGE: 0x03, _FIFO_MARK: 0x80}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0xD1,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._registers[_PMU_STATUS] != _AWAKE

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        enabled = self._registers[_INT_EN_1] & self._registers[_INT_MAP_1] & _MARK
        if not enabled or self._registers[_INT_OUT_CTRL] & 0x0E != _OUTPUT_HIGH:
            return None
        rows = -(-4 * self._registers[_FIFO_MARK] // 6)
        return self.converter.reaches_ns(rows - len(self._fifo))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_CHIP_ID] = self._identity
        self._fifo: deque[bytes] = deque()
        self._byte = 0  # of the row that is being read

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        range_g = _RANGES_G[self._registers[_ACC_RANGE]]
        counts = self.converter.due(DEPTH, 32768 / range_g, 1 << 15, frozen=self.frozen)
        if not self._registers[_FIFO_CONFIG] & _ACC_ROWS:
            return
        for row in counts.tolist():
            if len(self._fifo) == DEPTH:
                self._fifo.popleft()
            self._fifo.append(struct.pack("<3h", *row))

    def _get(self, register: int) -> int:
        if register in {_LENGTH_LOW, _LENGTH_HIGH}:
            length = 6 * len(self._fifo)
            return length >> 8 if register == _LENGTH_HIGH else length & 0xFF
        if register != _FIFO_DATA:
            return super()._get(register)
        if not self._fifo:
            return _EMPTY
        value = self._fifo[0][self._byte]
        self._byte = (self._byte + 1) % 6
        if not self._byte:
            self._fifo.popleft()
        return value

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        if register == _CMD:
            self._run(value)
            return
        before = self._registers[register]
        super()._set(register, value)
        if register == _ACC_CONF and value != before and not self.asleep:
            self.converter.start(_RATES_HZ[value & 0x0F])

    def _run(self, command: int) -> None:
        if command == _ACC_NORMAL and self.asleep:
            self._registers[_PMU_STATUS] = _AWAKE
            self.converter.start(_RATES_HZ[self._registers[_ACC_CONF] & 0x0F])
        elif command == _ACC_SUSPEND:
            self._registers[_PMU_STATUS] = 0
            self.converter.stop()
        elif command == _FLUSH:
            self._fifo.clear()
        elif command == _RESET:
            self.brown_out()

    def _take(self, data: bytes) -> None:
        self._byte = 0  # a row that was read in part is given again
        super()._take(data)

    def _after(self, register: int) -> int:
        return register if register == _FIFO_DATA else super()._after(register)
