"""ICM-42688-P, the registers of a six-axis sensor, of which the accelerometer runs.

Data sheet: TDK InvenSense ICM-42688-P (DS-000347), sections 6 (FIFO, packet 1) and 14
(bank 0: FIFO_CONFIG 0x16, FIFO_COUNTH 0x2E, FIFO_DATA 0x30, INTF_CONFIG0 0x4C,
PWR_MGMT0 0x4E, ACCEL_CONFIG0 0x50, FIFO_CONFIG1 0x5F, INT_SOURCE0 0x65).

Left out: the other banks, the gyroscope, low-power mode, the filters, the self-test,
interrupts but that of the watermark, packets with other contents.
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

DEPTH = 256

_DEVICE_CONFIG, _INT_CONFIG, _FIFO_CONFIG = 0x11, 0x14, 0x16
_COUNT_HIGH, _COUNT_LOW, _FIFO_DATA = 0x2E, 0x2F, 0x30
_SIGNAL_PATH_RESET, _INTF_CONFIG0, _PWR_MGMT0 = 0x4B, 0x4C, 0x4E
_ACCEL_CONFIG0, _FIFO_CONFIG1 = 0x50, 0x5F
_MARK_LOW, _MARK_HIGH, _INT_SOURCE0 = 0x60, 0x61, 0x65
_WHO_AM_I = 0x75
_READ_ONLY = {*range(0x1D, _FIFO_DATA + 1), _WHO_AM_I}

_RESET, _FLUSH = 0x01, 0x02
_RECORDS = 0x40
_ON = (0x02, 0x03)  # ACCEL_MODE: low power, low noise
_STREAM, _ACCEL = 1, 0x01
_ACTIVE_HIGH, _AT_WATERMARK = 0x01, 0x04
_HEADER, _EMPTY = 0x40, 0x80
_TEMPERATURE = 16  # a packet's 8 bits; 25 °C is 0
_RATES_HZ = {
    4: 4000,
    5: 2000,
    6: 1000,
    7: 200,
    8: 100,
    9: 50,
    10: 25,
    15: 500,
}


class Chip(RegisterChip):
    """One ICM-42688-P; `identity` is what WHO_AM_I answers."""

    POWER_ON: ClassVar = {_INTF_CONFIG0: 0x30, _ACCEL_CONFIG0: 0x06, 0x64: 0x10}

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0x47,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._registers[_PWR_MGMT0] & 3 not in _ON

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        rises = self._registers[_INT_CONFIG] & _ACTIVE_HIGH
        if not rises or not self._registers[_INT_SOURCE0] & _AT_WATERMARK:
            return None
        mark = self._registers[_MARK_HIGH] << 8 | self._registers[_MARK_LOW]
        return self.converter.reaches_ns(mark - len(self._fifo))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_WHO_AM_I] = self._identity
        self._fifo: deque[bytes] = deque()
        self._packet = b""
        self._byte = 0

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        range_g = 16 >> (self._registers[_ACCEL_CONFIG0] >> 5)
        counts = self.converter.due(DEPTH, 32768 / range_g, 1 << 15, frozen=self.frozen)
        streams = self._registers[_FIFO_CONFIG] >> 6 == _STREAM
        if not streams or not self._registers[_FIFO_CONFIG1] & _ACCEL:
            return
        for row in counts.tolist():
            if len(self._fifo) == DEPTH:
                self._fifo.popleft()
            self._fifo.append(struct.pack(">B3hb", _HEADER, *row, _TEMPERATURE))

    def _get(self, register: int) -> int:
        if register in {_COUNT_HIGH, _COUNT_LOW}:
            records = self._registers[_INTF_CONFIG0] & _RECORDS
            count = len(self._fifo) * (1 if records else 8)
            return count >> 8 if register == _COUNT_HIGH else count & 0xFF
        if register == _FIFO_DATA:
            if not self._byte:
                empty = bytes((_EMPTY,)) * 8
                self._packet = self._fifo.popleft() if self._fifo else empty
            value = self._packet[self._byte]
            self._byte = (self._byte + 1) % 8
            return value
        return super()._get(register)

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        if register == _DEVICE_CONFIG and value & _RESET:
            self.brown_out()
            return
        if register == _SIGNAL_PATH_RESET:
            if value & _FLUSH:
                self._fifo.clear()
            return  # its bits clear themselves
        before = self._registers[register]
        super()._set(register, value)
        if register in {_PWR_MGMT0, _ACCEL_CONFIG0} and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                rate = self._registers[_ACCEL_CONFIG0] & 0x0F
                self.converter.start(_RATES_HZ[rate])

    def _take(self, data: bytes) -> None:
        self._byte = 0  # a new transfer begins with a whole packet
        super()._take(data)

    def _after(self, register: int) -> int:
        return register if register == _FIFO_DATA else super()._after(register)
