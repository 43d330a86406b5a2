"""Simulated chips on SPI, and the chip select that they are on."""

from __future__ import annotations

from collections.abc import Sequence

from sensorml.sim.registers import RegisterChip

_FLOATING = 0xFF


class SpiChip(RegisterChip):
    """A chip that takes frames; one that is absent leaves the data line high."""

    def frame(self, sent: bytes) -> bytes:
        """Take one frame; return what the chip sends meanwhile."""
        level = _FLOATING if self.absent else self.stuck
        if level is not None:
            return bytes((level,)) * len(sent)
        self._catch_up()
        return self._exchange(sent)

    def _exchange(self, sent: bytes) -> bytes:
        """Replaced by the chips: read or write."""
        raise NotImplementedError


class SimSelect:
    """One chip select; `buses.spi.SpiDev` has the same methods."""

    def __init__(self, chip: SpiChip) -> None:
        self._chip = chip

    def transfer(self, frames: Sequence[bytes]) -> bytes:
        return b"".join(map(self._chip.frame, frames))

    def close(self) -> None:
        """Do nothing: a simulated bus has no handle."""
