"""What InvenSense's accelerometers share: the form of a sample, and their FIFO.

The FIFO is a ring of bytes, not of samples: its count is in bytes, one read of
any length takes that many out, and when it is full the oldest byte makes room.

It has no watermark that is documented, and an interrupt for every sample would
cost more than it gives. So the pin, where it is wired, is latched at data-ready
and let go before each status read: it rises with the first sample after that,
once, and says when that one was taken. When to read, the schedule says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from sensorml.acquisition.fifo import FifoReader
from sensorml.acquisition.interrupt import Interrupt
from sensorml.buses.fault_codes import read_status
from sensorml.interfaces import Registers
from sensorml.types import Block, Float32

ROW_BYTES = 6
SPARE_BYTES = 3 * ROW_BYTES
"""Left free by a FIFO that is not yet full: the row that is being written, and one
each for what the count and the first byte of the burst take."""
LONGEST_BYTES = 85 * ROW_BYTES
"""In one transfer: 46 ms at 100 kHz, well within the adapter's time-out."""
LATCHED = 0x20
"""INT_PIN_CFG: active high, push-pull, high until the status is read."""


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


class Fifo:
    """The FIFO of one chip, from its start to its stop."""

    def __init__(
        self,
        bus: Registers,
        restart: Callable[[Registers], None],
        clock: Callable[[], int],
        *,
        rate_hz: float,
        range_g: int,
        size: int,
        count: int,
        data: int,
        holds: tuple[int, int],
        interrupt: Interrupt,
        status: int,
    ) -> None:
        """Empty it and let it collect.

        Args:
            bus: The chip, configured.
            restart: Empties the FIFO and lets it collect whole rows.
            clock: Monotonic, in ns.
            rate_hz: Nominal rate of the samples.
            range_g: Their full scale.
            size: What the FIFO holds, in bytes.
            count: Register with the number of bytes in it, high byte first.
            data: Register that takes bytes out of it.
            holds: A register, and what is in it while the chip has its settings.
            interrupt: The line of the chip's data-ready, latched.
            status: Register that lets the line go when it is read.
        """
        restart(bus)
        self._bus = bus
        self._restart = restart
        self._clock = clock
        self._decode = partial(decode, range_g=range_g)
        self._full = size - SPARE_BYTES
        self._count, self._data = count, data
        self._interrupt, self._status = interrupt, status
        full_scale = range_g * 32767 / 32768
        self._rows = FifoReader(
            bus,
            rate_hz,
            full_scale,
            clock,
            interrupt,
            holds=holds,
            depth=size // ROW_BYTES,
        )
        self._lost = False
        self._rest = 0

    def read(self) -> Block | None:
        """Take out all whole rows; as `interfaces.Driver.read`."""
        if self._interrupt.wired:
            self._bus.read(self._status, 1)
        began = self._clock()
        count = int.from_bytes(read_status(self._bus, self._count, 2), "big")
        ended = self._clock()
        rows, rest = divmod(count, ROW_BYTES)
        if count > self._full or (rest and self._rest):
            # It drops its oldest bytes, and nobody knows where a row begins. A
            # remainder that stays shows an overflow after the last count; one
            # that goes was a row being written.
            self._start_anew()
            return None
        self._rest = rest
        if not rows:
            self._rows.empty((began, ended))
            return None
        self._rows.measures()
        raw = self._take(rows * ROW_BYTES)
        self._rows.refuse_nonsense(raw)
        if rows + self._rows.late_rows(rows, (began, ended)) > self._full // ROW_BYTES:
            self._start_anew()
            return None
        lost, self._lost = self._lost, False
        return self._rows.block(raw, self._decode, (began, ended), lost=lost)

    def _take(self, length: int) -> bytes:
        return b"".join(
            self._bus.read(self._data, min(LONGEST_BYTES, length - taken))
            for taken in range(0, length, LONGEST_BYTES)
        )

    def _start_anew(self) -> None:
        self._rows.measures()
        self._restart(self._bus)
        self._lost, self._rest = True, 0
