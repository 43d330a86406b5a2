"""ADXL355, the registers of a three-axis accelerometer of 20 bits.

Data sheet: Analog Devices ADXL354/ADXL355 Rev. D, sections "FIFO" and "Register
Map" (identities 0x00-0x02, FIFO_ENTRIES 0x05, data 0x08-0x10, FIFO_DATA 0x11, FILTER
0x28, RANGE 0x2C, POWER_CTL 0x2D, SELF_TEST 0x2E, RESET 0x2F).

Left out: STATUS and the interrupts but that at the watermark, temperature,
activity detection, offsets, the high-pass filter, external synchronisation, that
it measures no acceleration while ST1 is set, and its effect on other chips on I2C.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.converter import NO_PUSH, Converter, Push
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

ROWS = 32

_PARTID = 0x02
_FIFO_ENTRIES = 0x05
_XDATA3, _ZDATA1 = 0x08, 0x10
_FIFO_DATA = 0x11
_FILTER = 0x28
_FIFO_SAMPLES, _INT_MAP = 0x29, 0x2A
_RANGE = 0x2C
_POWER_CTL = 0x2D
_SELF_TEST = 0x2E
_RESET = 0x2F

_STANDBY = 0x01
_FULL_EN1, _ACTIVE_HIGH = 0x02, 0x40
_ST1_AND_ST2 = 0x03
_PUSH_G: Push = (0.3, 0.3, 1.5)  # Table 2, "Self Test"
_RESET_CODE = 0x52
_X_MARK, _EMPTY = 0x01, 0x02


class Chip(RegisterChip):
    """One ADXL355; `identity` is what PARTID answers."""

    POWER_ON: ClassVar = {
        0x00: 0xAD,
        0x01: 0x1D,
        0x03: 0x01,
        _FIFO_SAMPLES: 0x60,
        _RANGE: 0x81,
        _POWER_CTL: _STANDBY,
    }

    LSB_PER_G: ClassVar = 512_000
    """Halved by the code of the range."""

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0xED,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return bool(self._registers[_POWER_CTL] & _STANDBY)

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT1 rises without a read, or None if it does not."""
        self._catch_up()
        rises = self._registers[_RANGE] & _ACTIVE_HIGH
        if not rises or not self._registers[_INT_MAP] & _FULL_EN1:
            return None
        more = self._registers[_FIFO_SAMPLES] - len(self._fifo)
        return self.converter.reaches_ns(-(-more // 3))

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._registers[_PARTID] = self._identity
        self._fifo: deque[bytes] = deque()  # entries: one axis each
        self._entry = bytes((0, 0, _EMPTY))
        self._byte = 0  # of the entry that is being read

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        code = self._registers[_RANGE] & 3 or 1
        lsb_per_g = self.LSB_PER_G >> code
        counts = self.converter.due(
            ROWS, lsb_per_g, 1 << 19, frozen=self.frozen, push_g=self._push_g()
        )
        for row in (counts << 4).tolist():
            axes = [count.to_bytes(4, "big", signed=True)[1:] for count in row]
            self._registers[_XDATA3 : _ZDATA1 + 1] = b"".join(axes)
            axes[0] = axes[0][:2] + bytes((axes[0][2] | _X_MARK,))
            if len(self._fifo) > 3 * ROWS - 3:
                for _ in axes:
                    self._fifo.popleft()
            self._fifo.extend(axes)

    def _push_g(self) -> Push:
        pushes = self._registers[_SELF_TEST] & _ST1_AND_ST2 == _ST1_AND_ST2
        return _PUSH_G if pushes and not self.self_test_fails else NO_PUSH

    def _get(self, register: int) -> int:
        if register == _FIFO_ENTRIES:
            return len(self._fifo)
        if register != _FIFO_DATA:
            return super()._get(register)
        if self._byte == 0:
            self._entry = self._fifo.popleft() if self._fifo else bytes((0, 0, _EMPTY))
        value = self._entry[self._byte]
        self._byte = (self._byte + 1) % 3
        return value

    def _set(self, register: int, value: int) -> None:
        if register <= _FIFO_DATA:
            return
        if register == _RESET:
            if value == _RESET_CODE:
                self.brown_out()
            return
        before = self._registers[register]
        super()._set(register, value)
        if register in {_POWER_CTL, _FILTER} and value != before:
            if self.asleep:
                self.converter.stop()
            else:
                self.converter.start(4000 / 2 ** (self._registers[_FILTER] & 0x0F))

    def _take(self, data: bytes) -> None:
        self._byte = 0  # a new transfer begins with a whole entry
        super()._take(data)

    def _after(self, register: int) -> int:
        return register if register == _FIFO_DATA else super()._after(register)
