"""ADXL345, the registers of a three-axis accelerometer.

Data sheet: Analog Devices ADXL345 Rev. G, sections "Register Map" and
"Register Definitions" (identity 0x00, BW_RATE 0x2C with Tables 7 and 8,
POWER_CTL 0x2D, INT_SOURCE 0x30, DATA_FORMAT 0x31, data 0x32-0x37, FIFO_CTL
0x38, FIFO_STATUS 0x39) and "FIFO".

Left out: tap, activity and free-fall detection, offsets, trigger mode, the
low-power bit's noise, and the one sample that may wait in the output filter
behind a full FIFO.
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
LSB_PER_G = 256

_DEVID = 0x00
_BW_RATE = 0x2C
_POWER_CTL = 0x2D
_INT_ENABLE, _INT_MAP, _INT_SOURCE = 0x2E, 0x2F, 0x30
_DATA_FORMAT = 0x31
_DATAX0, _DATAZ1 = 0x32, 0x37
_FIFO_CTL = 0x38
_FIFO_STATUS = 0x39

_MEASURE = 0x08
_FULL_RES, _SELF_TEST = 0x08, 0x80
_PUSH_G: Push = (0.9, -0.9, 1.6)  # "Self-Test", about as at 3.3 V
_BYPASS, _FIFO = 0, 1
_WATERMARK = 0x02
_READ_ONLY = {_DEVID, _INT_SOURCE, _FIFO_STATUS, *range(_DATAX0, _DATAZ1 + 1)}


class Chip(RegisterChip):
    """One ADXL345; `identity` is what register 0x00 answers."""

    POWER_ON: ClassVar = {_BW_RATE: 0x0A}
    SIZE: ClassVar = 0x40

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0xE5,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return not self._registers[_POWER_CTL] & _MEASURE

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        enabled = self._registers[_INT_ENABLE] & ~self._registers[_INT_MAP]
        if not enabled & _WATERMARK:
            return None
        watermark = self._registers[_FIFO_CTL] & 0x1F
        return self.converter.reaches_ns(watermark - len(self._fifo))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_DEVID] = self._identity
        self._fifo: deque[bytes] = deque()
        self._data = bytes(6)
        self._overrun = False

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        scale, limit, step = self._format()
        counts = self.converter.due(
            DEPTH,
            LSB_PER_G / scale,
            limit,
            frozen=self.frozen,
            push_g=self._push_g(),
        )
        for row in (counts & -step).tolist():
            self._store(struct.pack("<3h", *row))

    def _push_g(self) -> Push:
        pushes = self._registers[_DATA_FORMAT] & _SELF_TEST
        return _PUSH_G if pushes and not self.self_test_fails else NO_PUSH

    def _format(self) -> tuple[int, int, int]:
        """Return LSB_PER_G's divisor, the full scale and the step in counts."""
        code = self._registers[_DATA_FORMAT] & 3
        full_res = self._registers[_DATA_FORMAT] & _FULL_RES or code == 0
        # At 1600 and 3200 Hz the lowest bit is then always 0: section "Data
        # Formatting of Upper Data Rates".
        fast = self._registers[_BW_RATE] & 0x0F >= 0x0E
        if full_res:
            return 1, 512 << code, 2 if fast else 1
        return 1 << code, 512, 1

    def _store(self, sample: bytes) -> None:
        mode = self._registers[_FIFO_CTL] >> 6
        if mode == _BYPASS:
            self._data = sample
            return
        if len(self._fifo) == DEPTH:
            if mode == _FIFO:  # full: it stops collecting
                return
            self._fifo.popleft()
        self._fifo.append(sample)
        self._overrun |= len(self._fifo) == DEPTH

    def _get(self, register: int) -> int:
        if register == _FIFO_STATUS:
            return len(self._fifo)
        if register == _INT_SOURCE:
            watermark = self._registers[_FIFO_CTL] & 0x1F
            reached = len(self._fifo) >= watermark
            return 0x80 * bool(self._fifo) | _WATERMARK * reached | self._overrun
        if _DATAX0 <= register <= _DATAZ1:
            # Reading X takes the oldest entry into the data registers, so that
            # a burst of six bytes is one sample.
            if register == _DATAX0 and self._fifo:
                self._data = self._fifo.popleft()
                self._overrun = False
            return self._data[register - _DATAX0]
        return super()._get(register)

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        before = self._registers[register]
        super()._set(register, value)
        if register == _FIFO_CTL and value >> 6 == _BYPASS:
            self._fifo.clear()
            self._overrun = False
        if register in {_POWER_CTL, _BW_RATE} and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                code = self._registers[_BW_RATE] & 0x0F
                self.converter.start(3200 / 2 ** (15 - code))
