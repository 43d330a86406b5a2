"""The AK8963, a compass, which is the second chip in the package of an MPU-9250.

Data sheet: Asahi Kasei AK8963 MS1356-E-02, sections 6.4 (modes) and 8 (registers).
It measures one constant field. Left out: continuous modes, the self-test, 14 bits.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from sensorml.sim.registers import RegisterChip

ADDRESS = 0x0C
FIELD = (133, -20, 266)
"""The measured field in counts of 0.15 µT, that of the earth in central Europe."""
ADJUSTMENT = (176, 177, 165)
"""The adjustment values of the factory: ASAX, ASAY, ASAZ."""

_WIA, _INFO, _ST1, _DATA, _ST2 = 0x00, 0x01, 0x02, 0x03, 0x09
_CNTL1, _CNTL2 = 0x0A, 0x0B
_ASAX, _ASAZ = 0x10, 0x12

_READY = 0x01
_MODE, _SINGLE, _FUSE_ROM = 0x0F, 0x01, 0x0F
_16_BITS = 0x10
_RESET = 0x01


class Compass(RegisterChip):
    """One AK8963."""

    POWER_ON: ClassVar = {
        _WIA: 0x48,
        _INFO: 0x9A,
        **dict(enumerate(ADJUSTMENT, start=_ASAX)),
    }
    SIZE: ClassVar = 0x20

    def _get(self, register: int) -> int:
        if _ASAX <= register <= _ASAZ:  # can be read in that mode only
            fused = self._registers[_CNTL1] & _MODE == _FUSE_ROM
            return super()._get(register) if fused else 0
        value = super()._get(register)
        if _DATA <= register <= _ST2:
            self._registers[_ST1] &= ~_READY
        return value

    def _set(self, register: int, value: int) -> None:
        if register == _CNTL2 and value & _RESET:
            self.brown_out()
        elif register == _CNTL1:
            if value & _MODE == _SINGLE:  # measures once, then sleeps again
                self._registers[_DATA:_ST2] = struct.pack("<3h", *FIELD)
                self._registers[_ST1] |= _READY
                self._registers[_ST2] = value & _16_BITS
                value &= ~_MODE
            super()._set(register, value)
