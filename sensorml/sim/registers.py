"""A simulated chip with registers on I2C, and its faults.

The first byte written is the register pointer; further bytes are written from there
on, and bytes are read from there on (NXP UM10204 leaves this to the chips, and all
of these do it). A chip in `chips/` adds its registers.
"""

from __future__ import annotations

import errno
import os
from typing import ClassVar


class RegisterChip:
    """A chip with one-byte registers.

    The public attributes are faults; a test or a demonstration sets them while the
    chip runs.
    """

    POWER_ON: ClassVar[dict[int, int]]
    """Registers that are not zero after power-on."""
    SIZE: ClassVar[int] = 0x80

    def __init__(self) -> None:
        self.absent = False
        """It acknowledges nothing, not even its address: unplugged, unpowered."""
        self.hung = False
        """It holds the clock line low: every transfer times out."""
        self.nack_at: int | None = None
        """The byte of a write, from 0, that it refuses."""
        self.reads_until_nack: int | None = None
        """After so many more reads it refuses the address, which is the only byte of a
        read that a chip can refuse."""
        self.stuck: int | None = None
        """Every byte that is read is this one: a data line shorted or open."""
        self.frozen = False
        """The converter repeats its last sample; everything else works."""
        self.self_test_fails = False
        """The proof mass is stuck: no self-test moves it."""
        self.brown_out()

    def brown_out(self) -> None:
        """Lose the configuration, as at power-on."""
        self._registers = bytearray(self.SIZE)
        for register, value in self.POWER_ON.items():
            self._registers[register] = value
        self._pointer = 0

    def write(self, data: bytes) -> None:
        """Take the bytes of one write message.

        Raises:
            OSError: with the errno that a Raspberry Pi's kernel would give.
        """
        self._answer()
        if self.nack_at is not None and self.nack_at < len(data):
            data = data[: self.nack_at]
            self._take(data)
            raise _failure(errno.EREMOTEIO)
        self._take(data)

    def read(self, length: int) -> bytes:
        """Return the bytes of one read message; errors as for `write`."""
        self._answer()
        if self.reads_until_nack is not None:
            if not self.reads_until_nack:
                raise _failure(errno.EREMOTEIO)
            self.reads_until_nack -= 1
        data = bytearray()
        for _ in range(length):
            data.append(self._get(self._pointer))
            self._pointer = self._after(self._pointer)
        return bytes(data) if self.stuck is None else bytes([self.stuck]) * length

    def _answer(self) -> None:
        """Acknowledge the address, and take the samples that are due."""
        if self.hung:
            raise _failure(errno.ETIMEDOUT)
        if self.absent:
            raise _failure(errno.EREMOTEIO)
        self._catch_up()

    def _take(self, data: bytes) -> None:
        if not data:
            return
        self._pointer = data[0] % self.SIZE
        for value in data[1:]:
            self._set(self._pointer, value)
            self._pointer = self._after(self._pointer)

    # Replaced by the chips:

    def _catch_up(self) -> None:
        """Take the samples that have become due since the last call."""

    def _get(self, register: int) -> int:
        return self._registers[register]

    def _set(self, register: int, value: int) -> None:
        self._registers[register] = value

    def _after(self, register: int) -> int:
        """Return the pointer after a byte of a register: auto-increment."""
        return (register + 1) % self.SIZE


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))
