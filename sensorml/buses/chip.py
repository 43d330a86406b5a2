"""What the drivers of FIFO accelerometers share: a start, and rows into Blocks."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sensorml.buses.sampleclock import SampleClock
from sensorml.errors import SensorError
from sensorml.interfaces import I2C
from sensorml.types import NO_ROWS, Block, Float32

GOLDEN = (3 - math.sqrt(5)) / 2
"""The fraction whose multiples are spread most evenly over 0 to 1."""
SILENT_S = 0.5
"""A FIFO that has got nothing for so long, and at least for SILENT_ROWS
periods, belongs to a chip that no longer measures."""
SILENT_ROWS = 5

log = logging.getLogger(__name__)


def drain_s(rate_hz: float, rows: int) -> float:
    """Return how often to read a FIFO: about every `rows` rows, or every 50 ms.

    The fraction of a row makes the reads come at all phases of the sampling,
    from which `SampleClock` learns most: were it a whole number of rows, each
    read would tell the same.

    >>> round(drain_s(800, 14) * 1000, 1)
    17.0
    """
    return (max(1, math.floor(min(rows, 0.05 * rate_hz))) - GOLDEN) / rate_hz


def identify(bus: I2C, register: int, expected: int, length: int = 1) -> None:
    """Warn when the identity register says that this is another chip.

    Clones with a foreign identity are common and work, so it is no error. Of a
    register of `length` bytes the first is compared.
    """
    found = bus.read(register, length)[0]
    if found != expected:
        log.warning(
            "%s: identity register %#04x is %#04x, not %#04x: a clone or another "
            "chip; it is used all the same",
            bus,
            register,
            found,
            expected,
        )


def configure(bus: I2C, settings: Mapping[int, int]) -> None:
    """Write registers in order, then read all of them back.

    Raises:
        SensorError: a register holds something else than was written.
    """
    for register, value in settings.items():
        bus.write(register, bytes((value,)))
    for register, value in settings.items():
        found = bus.read(register, 1)[0]
        if found != value:
            raise SensorError(
                f"{bus}: register {register:#04x} was set to {value:#04x} and reads "
                f"{found:#04x}: check that the driver fits the chip, and its wiring"
            )


def rows_at(samples: Float32, limit: float) -> NDArray[np.intp]:
    """Return the indices of the rows with a value at or beyond ±`limit`."""
    size = np.abs(samples)
    if size.max() < limit:
        return NO_ROWS
    return np.flatnonzero((size >= limit).any(axis=1))


class Rows:
    """Makes the Blocks of one chip, from its start to its stop."""

    def __init__(
        self, bus: I2C, rate_hz: float, full_scale: float, clock: Callable[[], int]
    ) -> None:
        """`full_scale` is the value from which a sample counts as clipped."""
        self._bus = bus
        self._full_scale = full_scale
        self._clock = clock
        self._samples = SampleClock(rate_hz)
        self._silent_ns = round(max(SILENT_S, SILENT_ROWS / rate_hz) * 1e9)
        self._alive_ns = clock()

    def block(
        self,
        raw: bytes,
        decode: Callable[[bytes], Float32],
        read_ns: tuple[int, int],
        *,
        lost: bool,
    ) -> Block:
        """Turn the rows that a status read announced into a Block.

        Args:
            raw: All rows, as the chip gave them.
            decode: Turns them into samples.
            read_ns: When the status read began and ended.
            lost: Rows may be missing before these.

        Raises:
            SensorError: every byte is 0x00 or every byte is 0xFF.
        """
        size = len(raw)
        if raw.count(0) == size or raw.count(0xFF) == size:
            raise SensorError(
                f"{self._bus}: nothing but {raw[0]:#04x} in {size} bytes of samples: "
                "no sensor gives that, check its power and the data line"
            )
        samples = decode(raw)
        began_ns, ended_ns = read_ns
        stamp = self._samples.stamp(len(samples), began_ns, ended_ns, lost=lost)
        now = self._alive_ns = self._clock()
        last_ns = stamp.start_ns + round((len(samples) - 1) * 1e9 / stamp.rate_hz)
        return Block(
            samples=samples,
            start_ns=stamp.start_ns,
            rate_hz=stamp.rate_hz,
            missed=stamp.missed,
            clipped=rows_at(samples, self._full_scale),
            age_ns=max(0, now - last_ns),
        )

    def expect(self) -> None:
        """Complain when the FIFO has been empty for too long.

        Raises:
            SensorError: the chip no longer measures.
        """
        silent_ns = self._clock() - self._alive_ns
        if silent_ns > self._silent_ns:
            raise SensorError(
                f"{self._bus}: no sample for {silent_ns / 1e9:.1f} s: it has lost its "
                "configuration, check its power supply for dips"
            )
