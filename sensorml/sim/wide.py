"""Simulated chips whose registers differ in width, each at a pointer of its own.

A read returns the bytes of the register at the pointer, again and again; the pointer
does not advance. So do the slow converters (TI SBAS444, "Register Map":
the pointer stays until it is written again).
"""

from __future__ import annotations

from typing import ClassVar

from sensorml.sim.registers import RegisterChip

_WIDEST = 4


class WideChip(RegisterChip):
    """A chip with registers of one to four bytes; a subclass fills them in.

    The base class counts bytes, so byte b of register r is at 4 r + b.
    """

    RESET: ClassVar[dict[int, bytes]]
    """All registers, with their contents after power-on."""
    READ_ONLY: ClassVar[frozenset[int]] = frozenset()
    POWER_ON: ClassVar = {}
    SIZE: ClassVar = 0x100 * _WIDEST

    def brown_out(self) -> None:
        super().brown_out()
        self.held = dict(self.RESET)

    def value(self, register: int) -> bytes:
        """Return what a read gives now; a subclass adds its measurements."""
        return self.held.get(register, b"\xff")

    def changed(self, register: int) -> None:
        """Act on a register that has just been written."""

    def _take(self, data: bytes) -> None:
        if not data:
            return
        register = data[0]
        self._pointer = register * _WIDEST
        width = len(self.held.get(register, b""))
        # A value that breaks off is not taken over.
        if width and len(data) > width and register not in self.READ_ONLY:
            self.held[register] = data[1 : 1 + width]
            self.changed(register)

    def _get(self, register: int) -> int:
        number, byte = divmod(register, _WIDEST)
        return self.value(number)[byte]

    def _after(self, register: int) -> int:
        number, byte = divmod(register, _WIDEST)
        return number * _WIDEST + (byte + 1) % len(self.value(number))


def signed_word(number: int) -> bytes:
    """Return 16 bits, two's complement, high byte first; what is too large is cut.

    >>> signed_word(-2).hex(), signed_word(40_000).hex()
    ('fffe', '7fff')
    """
    return min(max(number, -0x8000), 0x7FFF).to_bytes(2, "big", signed=True)
