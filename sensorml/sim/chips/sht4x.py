"""SHT4x, the commands of a sensor of temperature and humidity.

Data sheet: Sensirion SHT4x, version 6, sections 3.1 (times) and 4.3 to 4.6 (commands,
checksum). Left out: the heater, and measurements with a lower repeatability.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

_MEASURE, _SERIAL_NUMBER, _RESET = 0xFD, 0x89, 0x94
_LONGEST_NS = 8_300_000
_LENGTH = 6


class Chip(RegisterChip):
    """One SHT4x whose converter returns `counts` of temperature and humidity."""

    POWER_ON: ClassVar = {}

    def __init__(
        self,
        _machine: Machine | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.counts = (0x6666, 0x6666)
        self.serial_number = (0x0F0B, 0x3A5C)
        self._clock = clock
        super().__init__()

    @property
    def asleep(self) -> bool:
        return self._done_ns is None or self._clock() >= self._done_ns

    def brown_out(self) -> None:
        super().brown_out()
        self._done_ns: int | None = None

    def read(self, length: int) -> bytes:
        """Return an answer, once; the address of a busy chip is not acknowledged."""
        self._pointer = 0
        data = super().read(length)
        if self.stuck is None:
            if self._done_ns is None or self._clock() < self._done_ns:
                raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
            self._done_ns = None
        return data

    def _take(self, data: bytes) -> None:
        command = data[0] if data else None
        if command == _MEASURE:
            self._reply(self.counts, _LONGEST_NS)
        elif command == _SERIAL_NUMBER:
            self._reply(self.serial_number, 0)
        elif command == _RESET:
            self.brown_out()

    def _reply(self, words: tuple[int, int], after_ns: int) -> None:
        self._done_ns = self._clock() + after_ns
        for i, word in enumerate(words):
            self._registers[3 * i : 3 * i + 3] = _checked(word)


def _checked(word: int) -> bytes:
    """Return a word and its CRC-8, the remainder of a division by 0x131."""
    rest = (word ^ 0xFF00) << 8
    for bit in reversed(range(8, 24)):
        if rest >> bit & 1:
            rest ^= 0x131 << bit - 8
    return struct.pack(">HB", word, rest)
