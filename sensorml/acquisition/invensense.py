"""The FIFO of InvenSense's accelerometers, and the form of their samples.

The FIFO is a ring of bytes, not of samples: its count is in bytes, one read of
any length takes that many out, and when it is full the oldest byte is overwritten.

It has no documented watermark, and an interrupt for every sample would cost too
much. So the pin, where it is wired, is latched at data-ready and released before
each status read: it rises once, with the first sample after that, and so gives the
time of that sample. The FIFO is read on schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from sensorml.acquisition.fifo_chip import FifoChip
from sensorml.acquisition.registers import read_rows
from sensorml.buses.fault_codes import read_status
from sensorml.interfaces import Registers
from sensorml.types import Block, Float32

ROW_BYTES = 6
SPARE_BYTES = 3 * ROW_BYTES
"""Left free by a FIFO that is not yet full: the row that is being written, and one
each for what the count and the first byte of the burst take."""
LATCHED = 0x20
"""INT_PIN_CFG: active high, push-pull, high until the status is read."""


class FifoLayout(NamedTuple):
    """The size of a chip's FIFO, and the registers that read it."""

    size: int
    """In bytes."""
    level: int
    """The number of bytes in it, high byte first."""
    data: int
    """Reading it takes bytes out."""
    status: int
    """Reading it releases the interrupt line."""

    @property
    def rows(self) -> int:
        return self.size // ROW_BYTES


def decode(raw: bytes, range_g: int = 2) -> Float32:
    """Turn rows of the FIFO, 6 bytes each, into g of shape (n, 3).

    16384 counts are 1 g at ±2 g, 2048 at ±16 g (MPU-6050 register map Rev. 4.2,
    section 4.16; MPU-9250 and ICM-20948 data sheets, table "Accelerometer
    Specifications"):

    >>> decode(bytes([0x40, 0x00, 0xC0, 0x00, 0x00, 0x01])).tolist()
    [[1.0, -1.0, 6.103515625e-05]]
    >>> decode(bytes([0x08, 0x00, 0x80, 0x00, 0x00, 0x00]), 16).tolist()
    [[1.0, -16.0, 0.0]]
    """
    return np.frombuffer(raw, ">i2").reshape(-1, 3) * np.float32(range_g / 32768)


class InvenSenseFifo:
    """The FIFO of one chip."""

    def __init__(
        self,
        chip: FifoChip,
        layout: FifoLayout,
        restart: Callable[[Registers], None],
        range_g: int,
    ) -> None:
        """Make it; nothing is read or written before `start`.

        Args:
            chip: Its interrupt line rises after each status read.
            layout: The registers of its FIFO.
            restart: Empties the FIFO and lets it collect whole rows.
            range_g: Full scale of the samples.
        """
        self._chip = chip
        self._layout = layout
        self._restart = restart
        self._decode = partial(decode, range_g=range_g)
        self._full_scale = range_g * 32767 / 32768
        self._full = layout.size - SPARE_BYTES

    def start(self, *, configured: tuple[int, int]) -> None:
        """Empty it and let it collect; the chip is open and configured.

        `configured` is a register, and its value while the chip has its settings.
        """
        self._restart(self._chip.bus)
        self._reader = self._chip.collect(self._full_scale, configured=configured)
        self._lost = False
        self._rest = 0

    def read(self) -> Block | None:
        """Take out all whole rows; as `interfaces.Driver.read`."""
        bus, clock = self._chip.bus, self._chip.clock
        if self._chip.interrupt.wired:
            bus.read(self._layout.status, 1)
        began = clock()
        count = int.from_bytes(read_status(bus, self._layout.level, 2), "big")
        read_ns = (began, clock())
        rows, rest = divmod(count, ROW_BYTES)
        if count > self._full or (rest and self._rest):
            # Its oldest bytes are overwritten, so where a row begins is uncertain.
            # A remainder that stays shows an overflow after the last count; one
            # that goes was a row being written.
            self._start_again()
            return None
        self._rest = rest
        if not rows:
            self._reader.empty(read_ns)
            return None
        self._reader.alive()
        raw = read_rows(bus, self._layout.data, rows, ROW_BYTES)
        self._reader.check_rows(raw)
        if rows + self._reader.late_rows(rows, read_ns) > self._full // ROW_BYTES:
            self._start_again()
            return None
        lost, self._lost = self._lost, False
        return self._reader.block(raw, self._decode, read_ns, lost=lost)

    def _start_again(self) -> None:
        self._reader.alive()
        self._restart(self._chip.bus)
        self._lost, self._rest = True, 0
