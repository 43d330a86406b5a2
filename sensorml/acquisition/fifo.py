"""What the drivers of FIFO accelerometers share: a start, and rows into Blocks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sensorml.acquisition.interrupt import Interrupt
from sensorml.acquisition.sample_clock import SampleClock
from sensorml.errors import BusError, SensorError
from sensorml.interfaces import Registers
from sensorml.types import NO_ROWS, Block, Float32

SILENT_S = 0.5
"""A FIFO that has got nothing for so long, and at least for SILENT_ROWS
periods, belongs to a chip that no longer measures."""
SILENT_ROWS = 5
FLOODED_S = 1.0
"""So long without a row that was not overwritten, and the bus is too slow."""
FROZEN_ROWS = 256
"""So many bit-identical rows in a row, and an accelerometer, which always has noise,
is frozen. Where a count is four times the noise, chance repeats a row with a
probability of 0.87 at the most, and 256 of them never."""
ALIKE, ALIKE_READS = 1.1, 4
"""A pace at which so many reads have gone, give or take that factor, is the bus's
own. One that was seen once may be that of a read that was held up."""
MANY_READS = 8
"""Of so many one was not, however much they differ, as on a slow and busy computer."""
_NO_ROW = (bytes(6), b"\xff" * 6)


_FASTEST = 1.05
"""How much faster than its nominal rate a sensor may sample."""


def rows_at(samples: Float32, limit: float) -> NDArray[np.intp]:
    """Return the indices of the rows with a value at or beyond ±`limit`."""
    size = np.abs(samples)
    if size.max() < limit:
        return NO_ROWS
    return np.flatnonzero((size >= limit).any(axis=1))


class FifoReader:
    """Makes the Blocks of one chip, from its start to its stop."""

    def __init__(
        self,
        bus: Registers,
        rate_hz: float,
        full_scale: float,
        clock: Callable[[], int],
        interrupt: Interrupt,
        *,
        holds: tuple[int, int],
        depth: int,
        per_row: int = 1,
    ) -> None:
        """Begin with the first row.

        Args:
            bus: The chip.
            rate_hz: Nominal rate of the samples.
            full_scale: The value from which a sample counts as clipped.
            clock: Monotonic, in ns.
            interrupt: The chip's line.
            holds: A register, and what is in it while the chip has its settings.
            depth: What the count of a full FIFO is.
            per_row: How many of these are a row.
        """
        self._bus = bus
        self._full_scale = full_scale
        self._clock = clock
        self._interrupt = interrupt
        self._holds = holds
        self._depth = depth
        self._samples = SampleClock(rate_hz)
        self._per_row = per_row
        self._per_ns = rate_hz * _FASTEST / 1e9
        self._silent_ns = round(max(SILENT_S, SILENT_ROWS / rate_hz) * 1e9)
        self._alive_ns = clock()
        self._paces_ns: list[float] = []  # the quickest, to take out one of a count
        self._reads = 0
        self._lost_ns: int | None = None  # since when rows are lost

    def read(
        self,
        count: Callable[[], int],
        take: Callable[[int], bytes],
        decode: Callable[[bytes], Float32],
    ) -> Block | None:
        """Count what is in the FIFO, take it out, and make a Block of it.

        If rows may have been overwritten in between, nobody knows where in those that
        came one is missing, nor when they were taken: all are dropped. The FIFO has
        room after that, and is read once more.

        Args:
            count: Reads how much there is.
            take: Takes so much out; returns whole rows.
            decode: Turns them into samples.

        Raises:
            SensorError: as `refuse_nonsense` and `empty`.
            BusError: the bus is too slow for the rate.
        """
        for _ in range(2):
            began = self._clock()
            found = count()
            read_ns = (began, self._clock())
            if not found:
                self.empty(read_ns)
                return None
            self.measures()
            raw = take(found)
            if not raw:
                return None
            self.refuse_nonsense(raw)
            late = self.late_rows(found, read_ns)
            full = found + late * self._per_row >= self._depth
            if not full or late <= 1:
                lost = full or self._lost_ns is not None
                self._lost_ns = None
                return self.block(raw, decode, read_ns, lost=lost)
            self._lost_ns = self._lost_ns or began
        flooded_ns = self._clock() - (self._lost_ns or began)
        if flooded_ns > FLOODED_S * 1e9:
            raise BusError(
                f"{self._bus}: samples are overwritten faster than they can be read, "
                f"for {flooded_ns / 1e9:.1f} s: raise the bus speed or lower rate_hz"
            )
        return None

    def refuse_nonsense(self, raw: bytes) -> None:
        """Refuse rows that are none.

        A chip whose power dips amid a read gives zeros from there on, or lets go of
        the data line, which then reads as ones.

        Raises:
            SensorError: there is nothing but zeros or ones, or the last row is of
                them and the chip has lost its settings.
        """
        size = len(raw)
        if raw.count(0) == size or raw.count(0xFF) == size:
            raise SensorError(
                f"{self._bus}: nothing but {raw[0]:#04x} in {size} bytes of samples: "
                "no sensor gives that, check its power and the data line"
            )
        register, value = self._holds
        if raw.endswith(_NO_ROW) and self._bus.read(register, 1)[0] != value:
            raise SensorError(
                f"{self._bus}: it has lost its configuration amid a read: check its "
                "power supply for dips"
            )

    def late_rows(self, count: int, read_ns: tuple[int, int]) -> int:
        """Return for how many rows more than were counted there had to be room.

        To be asked when what was counted has been taken out. The FIFO was fullest
        when that began, which may have been late, or is now. How late it began is
        told by how quickly it has gone before.
        """
        began_ns, ended_ns = read_ns
        now_ns = self._clock()
        took_ns = now_ns - ended_ns
        late_ns = now_ns - began_ns - count * self._pace_ns
        self._reads += 1
        self._paces_ns = sorted([*self._paces_ns, took_ns / count])[:ALIKE_READS]
        late = math.ceil(max(0.0, late_ns) * self._per_ns)
        return max(late, math.ceil(took_ns * self._per_ns) - count // self._per_row)

    @property
    def _pace_ns(self) -> float:
        """How long it takes the bus to take out one of what is counted; 0: not known.

        Then all the time that a read takes counts as if it had begun late.
        """
        paces = self._paces_ns
        alike = len(paces) == ALIKE_READS and paces[-1] <= ALIKE * paces[0]
        return paces[0] if alike or self._reads >= MANY_READS else 0.0

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
        """
        samples = decode(raw)
        rows, (began_ns, ended_ns) = len(samples), read_ns
        edge = self._interrupt.take(rows, began_ns, ended_ns)
        stamp = self._samples.stamp(rows, began_ns, ended_ns, lost=lost, edge=edge)
        now = self._clock()
        last_ns = stamp.start_ns + round((rows - 1) * 1e9 / stamp.rate_hz)
        return Block(
            samples=samples,
            start_ns=stamp.start_ns,
            rate_hz=stamp.rate_hz,
            # One row lost may be within what the times leave open: better a window
            # too few than one with a hole in it.
            missed=max(stamp.missed, int(lost)),
            clipped=rows_at(samples, self._full_scale),
            age_ns=max(0, now - last_ns),
            jitter_ns=stamp.jitter_ns,
        )

    def measures(self) -> None:
        """Take note that the chip gives samples, whatever becomes of them."""
        self._alive_ns = self._clock()

    def empty(self, read_ns: tuple[int, int]) -> None:
        """Take note of a status read that announced nothing.

        Raises:
            SensorError: it has been so for too long: the chip no longer measures.
        """
        self._samples.empty(read_ns[0])
        self._interrupt.take(0, *read_ns)
        silent_ns = self._clock() - self._alive_ns
        if silent_ns > self._silent_ns:
            raise SensorError(
                f"{self._bus}: no sample for {silent_ns / 1e9:.1f} s: it has lost its "
                "configuration, check its power supply for dips"
            )
