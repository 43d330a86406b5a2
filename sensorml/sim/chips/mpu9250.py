"""MPU-9250: an MPU-6500 beside a compass, on a bus of its own that it is master of.

Data sheet: InvenSense MPU-9250 Register Map and Descriptions Rev. 1.6, registers
37-48 (slaves 0 to 3, 0x25), 54 (I2C_MST_STATUS), 73-96 (EXT_SENS_DATA), 99-102
(I2C_SLV0_DO), 106 (USER_CTRL), 117 (WHO_AM_I).

With every sample it makes the configured reads and writes of its slaves.
Left out: slave 4, delays, the bypass to the compass, slaves' bytes in the FIFO.
"""

from __future__ import annotations

from typing import ClassVar

from sensorml.sim import compass
from sensorml.sim.chips import mpu6500

_SLAVES = 4
_SLV0_ADDR = 0x25
_SLV0_DO = 0x63
_MST_STATUS = 0x36
_EXT_SENS_DATA = 0x49
_USER_CTRL = 0x6A

_READS = 0x80
_ON, _SWAPPED, _FROM_ODD, _LENGTH = 0x80, 0x40, 0x10, 0x0F
_MASTER = 0x20


class Chip(mpu6500.Chip):
    """One MPU-9250."""

    IDENTITY: ClassVar = 0x71

    def brown_out(self) -> None:
        super().brown_out()
        self.beside = {compass.ADDRESS: compass.Compass()}
        """Its slaves, by address."""

    def _catch_up(self) -> None:
        before = self.converter.taken
        super()._catch_up()
        if not self._registers[_USER_CTRL] & _MASTER:
            return
        # What slave 1 starts, slave 0 reads with the next sample; then it repeats.
        for _ in range(min(self.converter.taken - before, 2)):
            self._ask_slaves()

    def _ask_slaves(self) -> None:
        self._registers[_MST_STATUS] = 0
        data = bytearray()
        for slave in range(_SLAVES):
            where, register, control = self._registers[_SLV0_ADDR + 3 * slave :][:3]
            if not control & _ON:
                continue
            chip = self.beside.get(where & ~_READS)
            if chip is None:
                self._registers[_MST_STATUS] |= 1 << slave
            elif where & _READS:
                chip.write(bytes((register,)))
                read = chip.read(control & _LENGTH)
                data += _swapped(read, register, control)
            else:
                chip.write(bytes((register, self._registers[_SLV0_DO + slave])))
        self._registers[_EXT_SENS_DATA : _EXT_SENS_DATA + len(data)] = data


def _swapped(data: bytes, register: int, control: int) -> bytes:
    """Return the bytes, those of each word exchanged if it is configured so.

    A word begins at an even register, or at an odd one; halves stay as they are.
    """
    if not control & _SWAPPED:
        return data
    begins = (register ^ bool(control & _FROM_ODD)) & 1
    swapped = bytearray(data)
    for first in range(begins, len(data) - 1, 2):
        swapped[first : first + 2] = data[first : first + 2][::-1]
    return bytes(swapped)
