"""ICM-20948, the registers of an accelerometer with gyroscope and compass.

Data sheet: InvenSense DS-000189 Rev. 1.3. Bank 0, section 8: WHO_AM_I 0x00,
USER_CTRL 0x03, PWR_MGMT_1 and 2 0x06, INT_STATUS_1 and 2 0x1A, accelerations
0x2D-0x32, FIFO_EN_2 0x67, FIFO_RST 0x68, FIFO_COUNT 0x70, FIFO_R_W 0x72. Bank 1,
section 9: SELF_TEST_X_ACCEL 0x0E. Bank 2, section 10: ACCEL_SMPLRT_DIV 0x10,
ACCEL_CONFIG 0x14, ACCEL_CONFIG_2 0x15. REG_BANK_SEL 0x7F is in all
banks.

Left out: gyroscopes, compass and temperature, low-power modes, the motion
processor, the FIFO that stops when it is full (FIFO_MODE).
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

_BANK_SEL = 0x7F
# Bank 0
_WHO_AM_I = 0x00
_USER_CTRL = 0x03
_LP_CONFIG = 0x05
_PWR_MGMT_1, _PWR_MGMT_2 = 0x06, 0x07
_INT_PIN_CFG, _INT_ENABLE_1 = 0x0F, 0x11
_INT_STATUS, _INT_STATUS_1, _INT_STATUS_2 = 0x19, 0x1A, 0x1B
_ACCEL_XOUT_H, _TEMP_OUT_L = 0x2D, 0x3A
_FIFO_EN_2 = 0x67
_FIFO_RST = 0x68
_FIFO_COUNTH, _FIFO_COUNTL = 0x70, 0x71
_FIFO_R_W = 0x72
# Bank 1
_SELF_TEST_X_ACCEL, _SELF_TEST_Z_ACCEL = 0x0E, 0x10
# Bank 2
_ACCEL_SMPLRT_DIV_1, _ACCEL_SMPLRT_DIV_2 = 0x10, 0x11
_ACCEL_CONFIG, _ACCEL_CONFIG_2 = 0x14, 0x15

_DEVICE_RESET, _SLEEP = 0x80, 0x40
_ACCEL_OFF = 0x38
_ACCELERATION = 0x10
_USE_FIFO = 0x40
_FCHOICE = 0x01
_PUSH = 0x1C
_PUSH_G: Push = (0.47, 0.52, 0.5)
_TRIM = bytes((113, 115, 121))  # what the factory has measured: 0.49, 0.50, 0.53 g
_READY, _OVERFLOW = 0x01, 0x01
_PIN, _LATCHED = 0xF0, 0x20
_CLEARED_BY_READING = {_INT_STATUS, _INT_STATUS_1, _INT_STATUS_2}
_READ_ONLY = {
    _WHO_AM_I,
    *_CLEARED_BY_READING,
    *range(_ACCEL_XOUT_H, _TEMP_OUT_L + 1),
    _FIFO_COUNTH,
    _FIFO_COUNTL,
}


class Chip(RegisterChip):
    """One ICM-20948; `identity` is what WHO_AM_I answers."""

    POWER_ON: ClassVar = {_LP_CONFIG: 0x40, _PWR_MGMT_1: 0x41}
    FIFO_BYTES: ClassVar = 512

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        rate_error: float = 0.0,
        identity: int = 0xEA,
    ) -> None:
        self.converter = Converter(machine, clock, rate_error)
        self._identity = identity
        super().__init__()

    @property
    def asleep(self) -> bool:
        return bool(self._bank_0[_PWR_MGMT_1] & _SLEEP)

    def interrupt_ns(self) -> int | None:
        """Return when the pin INT rises, latched; None: it does not."""
        self._catch_up()
        latched = self._bank_0[_INT_PIN_CFG] & _PIN == _LATCHED
        if not latched or not self._bank_0[_INT_ENABLE_1] & _READY:
            return None
        ready = self._bank_0[_INT_STATUS_1] & _READY
        return None if ready else self.converter.reaches_ns(1)

    def brown_out(self) -> None:
        super().brown_out()
        self.converter.stop()
        self._bank_0 = self._registers  # `_registers` is the bank that is selected
        self._bank_1 = bytearray(self.SIZE)
        self._bank_1[_SELF_TEST_X_ACCEL : _SELF_TEST_Z_ACCEL + 1] = _TRIM
        self._bank_2 = bytearray(self.SIZE)
        self._banks = (
            self._bank_0,
            self._bank_1,
            self._bank_2,
            bytearray(self.SIZE),
        )
        self._bank_0[_WHO_AM_I] = self._identity
        self._bank_2[_ACCEL_CONFIG] = _FCHOICE
        self._fifo = ByteFifo(self.FIFO_BYTES)

    def _catch_up(self) -> None:
        if not self.converter.waiting():
            return
        full_scale = self._bank_2[_ACCEL_CONFIG] >> 1 & 3
        counts = self.converter.due(
            self._fifo.enough,
            16384 >> full_scale,
            32768,
            frozen=self.frozen,
            push_g=self._push_g(),
        )
        chosen = self._bank_0[_FIFO_EN_2] & _ACCELERATION
        collecting = chosen and not self._bank_0[_FIFO_RST]
        for row in counts.tolist():
            sample = struct.pack(">3h", *row)
            self._bank_0[_ACCEL_XOUT_H : _ACCEL_XOUT_H + 6] = sample
            self._bank_0[_INT_STATUS_1] |= _READY
            if collecting and not self._fifo.push(sample):
                self._bank_0[_INT_STATUS_2] |= _OVERFLOW

    def _push_g(self) -> Push:
        pushes = self._bank_2[_ACCEL_CONFIG_2] & _PUSH == _PUSH
        return _PUSH_G if pushes and not self.self_test_fails else NO_PUSH

    def _get(self, register: int) -> int:
        if not self._in_bank_0:
            return super()._get(register)
        if register == _FIFO_COUNTH:  # latches both bytes
            return self._fifo.latch() >> 8
        if register == _FIFO_COUNTL:
            return self._fifo.latched & 0xFF
        if register == _FIFO_R_W:
            readable = self._bank_0[_USER_CTRL] & _USE_FIFO
            return self._fifo.pop() if readable else 0
        value = super()._get(register)
        if register in _CLEARED_BY_READING:
            self._bank_0[register] = 0
        return value

    def _set(self, register: int, value: int) -> None:
        if register == _BANK_SEL:
            self._registers = self._banks[value >> 4 & 3]
            for bank in self._banks:
                bank[_BANK_SEL] = value & 0x30
            return
        if self._in_bank_0 and register in _READ_ONLY:
            return
        if self._in_bank_0 and register == _PWR_MGMT_1 and value & _DEVICE_RESET:
            self.brown_out()
            return
        before = self._measuring, self._rate_hz()
        super()._set(register, value)
        if self._bank_0[_FIFO_RST]:
            self._fifo.clear()
        if (self._measuring, self._rate_hz()) == before:
            return
        if self._measuring:
            self.converter.start(self._rate_hz())
        else:
            self.converter.stop()

    @property
    def _in_bank_0(self) -> bool:
        return self._registers is self._bank_0

    @property
    def _measuring(self) -> bool:
        return not self.asleep and not self._bank_0[_PWR_MGMT_2] & _ACCEL_OFF

    def _rate_hz(self) -> float:
        """Return the sample rate: sections 10.11, 10.12 and 10.15."""
        if not self._bank_2[_ACCEL_CONFIG] & _FCHOICE:
            return 4500.0
        high = self._bank_2[_ACCEL_SMPLRT_DIV_1] & 0x0F
        return 1125 / (1 + (high << 8 | self._bank_2[_ACCEL_SMPLRT_DIV_2]))

    def _after(self, register: int) -> int:
        if self._in_bank_0 and register == _FIFO_R_W:
            return register
        return super()._after(register)
