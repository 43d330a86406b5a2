"""MPU-6050, the registers of an accelerometer and gyroscope (at rest here).

Data sheet: InvenSense MPU-6000/MPU-6050 Register Map and Descriptions Rev. 4.2,
sections 4.1 (self-test 0x0D-0x10), 4.2 (SMPLRT_DIV 0x19), 4.3 (CONFIG 0x1A),
4.5 (ACCEL_CONFIG 0x1C), 4.6 (FIFO_EN 0x23), 4.15 (INT_STATUS 0x3A), 4.16-4.18
(data 0x3B-0x48), 4.27 (USER_CTRL 0x6A), 4.28 (PWR_MGMT_1 0x6B), 4.30 (FIFO_COUNT
0x72), 4.31 (FIFO_R_W 0x74), 4.32 (WHO_AM_I 0x75).

Left out: the auxiliary I2C bus, cycle mode, the standby bits.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.byte_fifo import ByteFifo
from sensorml.sim.converter import NO_PUSH, Converter, Push
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_SELF_TEST_X, _SELF_TEST_A = 0x0D, 0x10
_SMPLRT_DIV = 0x19
_CONFIG = 0x1A
_ACCEL_CONFIG = 0x1C
_FIFO_EN = 0x23
_INT_PIN_CFG, _INT_ENABLE, _INT_STATUS = 0x37, 0x38, 0x3A
_DATA = 0x3B
_USER_CTRL = 0x6A
_PWR_MGMT_1 = 0x6B
_FIFO_COUNTH, _FIFO_COUNTL = 0x72, 0x73
_FIFO_R_W = 0x74
_WHO_AM_I = 0x75

_SLEEP, _DEVICE_RESET = 0x40, 0x80
_USE_FIFO, _FIFO_RESET = 0x40, 0x04
_OVERFLOW, _DATA_READY = 0x10, 0x01
_PIN, _LATCHED = 0xF0, 0x20
_PUSH = 0xE0
_READ_ONLY = {*range(_INT_STATUS, 0x61), _FIFO_COUNTH, _FIFO_COUNTL, _WHO_AM_I}
_READ_ONLY |= {*range(_SELF_TEST_X, _SELF_TEST_A + 1)}

# Bits of FIFO_EN, and the bytes of a sample (accelerations, temperature, three
# rates) that each sends to the FIFO, in the FIFO's order.
_PARTS = (
    (0x08, slice(0, 6)),
    (0x80, slice(6, 8)),
    (0x40, slice(8, 10)),
    (0x20, slice(10, 12)),
    (0x10, slice(12, 14)),
)


class Chip(RegisterChip):
    """One MPU-6050; `identity` is what WHO_AM_I answers, if not the chip's own."""

    # What the factory has measured: codes 16, 18 and 21, that is 0.56, 0.60 and
    # 0.66 g; the lower bits of the first three are those of the gyroscopes.
    POWER_ON: ClassVar = {
        _SELF_TEST_X: 0x8C,
        _SELF_TEST_X + 1: 0x8E,
        _SELF_TEST_X + 2: 0xB2,
        _SELF_TEST_A: 0x09,
        _PWR_MGMT_1: _SLEEP,
    }
    IDENTITY: ClassVar = 0x68
    FIFO_BYTES: ClassVar = 1024
    PUSH_G: ClassVar[Push] = (0.58, 0.58, 0.7)
    TEMPERATURE: ClassVar = round((22.0 - 36.53) * 340)  # a room's: section 4.17

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int | None = None,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = self.IDENTITY if identity is None else identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return bool(self._registers[_PWR_MGMT_1] & _SLEEP)

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT rises, latched; None: it does not."""
        self._catch_up()
        latched = self._registers[_INT_PIN_CFG] & _PIN == _LATCHED
        if not latched or not self._registers[_INT_ENABLE] & _DATA_READY:
            return None
        ready = self._registers[_INT_STATUS] & _DATA_READY
        return None if ready else self.converter.reaches_ns(1)

    def brown_out(self) -> None:
        super().brown_out()
        self._registers[_WHO_AM_I] = self._identity
        self._fifo = ByteFifo(self.FIFO_BYTES)
        self._pace()

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        full_scale = self._registers[_ACCEL_CONFIG] >> 3 & 3
        counts = self.converter.due(
            self._fifo.enough,
            16384 >> full_scale,
            32768,
            frozen=self.frozen,
            push_g=self._push_g(),
        )
        parts = [part for bit, part in _PARTS if self._registers[_FIFO_EN] & bit]
        collecting = parts and self._registers[_USER_CTRL] & _USE_FIFO
        for row in counts.tolist():
            sample = struct.pack(">7h", *row, self.TEMPERATURE, 0, 0, 0)
            self._registers[_DATA : _DATA + 14] = sample
            self._registers[_INT_STATUS] |= _DATA_READY
            if collecting:
                for part in parts:
                    if not self._fifo.push(sample[part]):
                        self._registers[_INT_STATUS] |= _OVERFLOW

    def _push_g(self) -> Push:
        pushes = self._registers[_ACCEL_CONFIG] & _PUSH == _PUSH
        return self.PUSH_G if pushes and not self.self_test_fails else NO_PUSH

    def _get(self, register: int) -> int:
        if register == _FIFO_COUNTH:  # latches both bytes: section 4.30
            return self._fifo.latch() >> 8
        if register == _FIFO_COUNTL:
            return self._fifo.latched & 0xFF
        if register == _FIFO_R_W:
            return self._fifo.pop()
        value = super()._get(register)
        if register == _INT_STATUS:
            self._registers[_INT_STATUS] = 0
        return value

    def _set(self, register: int, value: int) -> None:
        if register in _READ_ONLY:
            return
        if register == _PWR_MGMT_1 and value & _DEVICE_RESET:
            self.brown_out()
            return
        if register == _USER_CTRL and value & _FIFO_RESET:
            value &= ~_FIFO_RESET
            if not value & _USE_FIFO:  # otherwise the reset is ignored: section 4.27
                self._fifo.clear()
        before = self.asleep, self._rate_hz()
        super()._set(register, value)
        if (self.asleep, self._rate_hz()) != before:
            self._pace()

    def _pace(self) -> None:
        """Start or stop the converter as the registers are set."""
        if self.asleep:
            self.converter.stop()
        else:
            self.converter.start(self._rate_hz())

    def _rate_hz(self) -> float:
        """Return the sample rate: sections 4.2 and 4.3."""
        filtered = self._registers[_CONFIG] & 7 not in {0, 7}
        return (1000 if filtered else 8000) / (1 + self._registers[_SMPLRT_DIV])

    def _after(self, register: int) -> int:
        return register if register == _FIFO_R_W else super()._after(register)
