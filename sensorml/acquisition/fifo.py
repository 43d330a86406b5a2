"""The reader of an accelerometer's FIFO: rows into Blocks, impossible bytes refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sensorml.acquisition.interrupt import Interrupt
from sensorml.acquisition.rate_check import RateCheck
from sensorml.acquisition.sample_clock import SampleClock
from sensorml.errors import BusError, SensorError
from sensorml.interfaces import Registers
from sensorml.types import NO_ROWS, Block, Float32

SILENT_S = 0.5
"""A chip whose FIFO stays empty for so long, and at least for SILENT_ROWS
periods, no longer measures."""
SILENT_ROWS = 5
FLOODED_S = 1.0
"""After so long in which every read lost rows, the bus is too slow."""
FROZEN_ROWS = 256
"""An accelerometer that repeats a row bit by bit so many times is frozen, because it
always has noise. Where a count is four times the noise, chance repeats a row with a
probability of 0.87 at the most, and 256 of them never."""
ALIKE, ALIKE_READS = 1.1, 4
"""The bus's own pace is one that so many reads have had within that factor. A pace
that was measured once may be that of a read that was held up."""
MANY_READS = 8
"""After so many reads the quickest is taken for the bus's own pace, however much
they differ, as on a slow and busy computer."""
_NO_ROW = (bytes(6), b"\xff" * 6)


_FASTEST = 1.05
"""The largest sample rate of a sensor, as a multiple of its nominal rate."""


def clipped_rows(samples: Float32, full_scale: float) -> NDArray[np.intp]:
    """Return the indices of the rows with a value at or beyond ±`full_scale`."""
    size = np.abs(samples)
    if size.max() < full_scale:
        return NO_ROWS
    return np.flatnonzero((size >= full_scale).any(axis=1))


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
        tolerance: float,
        configured: tuple[int, int],
        depth: int,
        per_row: int = 1,
    ) -> None:
        """Begin with the first row.

        Args:
            bus: The chip.
            rate_hz: Nominal rate of the samples.
            full_scale: The value from which a sample counts as clipped.
            clock: Monotonic, in ns.
            interrupt: The chip's interrupt line.
            tolerance: The share by which the true rate may differ.
            configured: A register, and its value while the chip has its settings.
            depth: The count of a full FIFO.
            per_row: How many of what the FIFO counts make a row.
        """
        self._bus = bus
        self._full_scale = full_scale
        self._clock = clock
        self._interrupt = interrupt
        self._configured = configured
        self._depth = depth
        self._rate_hz = rate_hz
        self._samples = SampleClock(rate_hz)
        self._rates = RateCheck(rate_hz, tolerance)
        self._per_row = per_row
        self._per_ns = rate_hz * _FASTEST / 1e9
        self._silent_ns = round(max(SILENT_S, SILENT_ROWS / rate_hz) * 1e9)
        self._alive_ns = clock()
        self._paces_ns: list[float] = []  # the quickest reads, in ns per count
        self._reads = 0
        self._lost_ns: int | None = None  # since when every read has lost rows

    def read(
        self,
        count: Callable[[], int],
        take: Callable[[int], bytes],
        decode: Callable[[bytes], Float32],
    ) -> Block | None:
        """Count what is in the FIFO, take it out, and make a Block of it.

        If rows may have been overwritten in between, both the place of the missing
        ones and the times of the others are uncertain, so all are dropped. The FIFO
        has room after that, and is read once more.

        Args:
            count: Reads how much is in the FIFO.
            take: Takes so much out; returns whole rows.
            decode: Turns them into samples.

        Raises:
            SensorError: as `check_rows` and `empty`.
            BusError: the bus is too slow for the rate.
        """
        for _ in range(2):
            began = self._clock()
            counted = count()
            read_ns = (began, self._clock())
            if not counted:
                self.empty(read_ns)
                return None
            self.alive()
            raw = take(counted)
            if not raw:
                return None
            self.check_rows(raw)
            late = self.late_rows(counted, read_ns)
            full = counted + late * self._per_row >= self._depth
            if not full or late <= 1:
                lost = full or self._lost_ns is not None
                self._lost_ns = None
                return self.block(raw, decode, read_ns, lost=lost)
            self._lost_ns = self._lost_ns or began
        flooded_ns = self._clock() - (self._lost_ns or began)
        if flooded_ns > FLOODED_S * 1e9:
            raise BusError(
                f"{self._bus}: samples have been overwritten before they were read "
                f"for {flooded_ns / 1e9:.1f} s: lower rate_hz, or give an I2C bus a "
                "higher clock rate"
            )
        return None

    def check_rows(self, raw: bytes) -> None:
        """Raise an error for bytes that are no samples.

        A chip whose power dips during a read returns zeros from there on, or
        releases the data line, which then reads as ones.

        Raises:
            SensorError: there are only zeros or only ones, or the last row is of
                them and the chip has lost its settings.
        """
        size = len(raw)
        if raw.count(0) == size or raw.count(0xFF) == size:
            raise SensorError(
                f"{self._bus}: nothing but {raw[0]:#04x} in {size} bytes of samples: "
                "no working sensor returns that, check its power and the data line"
            )
        register, value = self._configured
        if raw.endswith(_NO_ROW) and self._bus.read(register, 1)[0] != value:
            raise SensorError(
                f"{self._bus}: it has lost its configuration during a read: check its "
                "power supply for dips"
            )

    def late_rows(self, count: int, read_ns: tuple[int, int]) -> int:
        """Return for how many rows more than were counted the FIFO needed room.

        Call it when what was counted has been taken out. The FIFO was fullest when
        the taking began, which may have been late, or is fullest now. How late it
        began follows from the quickest reads before.
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
        """The time that the bus takes per count; 0 while that is uncertain.

        At 0, all the time that a read takes counts as if it had begun late.
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
            raw: All rows, as they came from the chip.
            decode: Turns them into samples.
            read_ns: When the status read began and ended.
            lost: Rows may be missing before these.
        """
        samples = decode(raw)
        rows, (began_ns, ended_ns) = len(samples), read_ns
        edge = self._interrupt.take(rows, began_ns, ended_ns)
        if lost:
            self._rates.restart()
        by_rate = 0 if lost else self._missed_by_rate(rows, read_ns)
        shared = self._rates.shared
        stamp = self._samples.stamp(
            rows, began_ns, ended_ns, lost=lost or shared, edge=edge
        )
        now = self._clock()
        last_ns = stamp.start_ns + round((rows - 1) * 1e9 / stamp.rate_hz)
        return Block(
            samples=samples,
            start_ns=stamp.start_ns,
            rate_hz=stamp.rate_hz,
            # One lost row may be within the uncertainty of the times: better a
            # window too few than one with a hole in it.
            missed=max(stamp.missed, int(lost)) if lost or not shared else by_rate,
            clipped=clipped_rows(samples, self._full_scale),
            age_ns=max(0, now - last_ns),
            jitter_ns=stamp.jitter_ns,
            rate_fault=self._rates.fault,
        )

    def _missed_by_rate(self, rows: int, read_ns: tuple[int, int]) -> int:
        """Check the rate; return the rows that another reader has taken.

        From then on each read may lack rows, and the clock runs at the nominal rate.
        """
        before = self._rates.shared
        missed = self._rates.add(rows, *read_ns)
        if self._rates.shared and not before:
            self._samples = SampleClock(self._rate_hz)
        return missed

    def alive(self) -> None:
        """Note that the chip measures, whether or not its rows can be used."""
        self._alive_ns = self._clock()

    def empty(self, read_ns: tuple[int, int]) -> None:
        """Note a status read that announced no rows.

        Raises:
            SensorError: the FIFO has been empty for too long.
        """
        self._samples.empty(read_ns[0])
        self._interrupt.take(0, *read_ns)
        silent_ns = self._clock() - self._alive_ns
        if silent_ns > self._silent_ns:
            raise SensorError(
                f"{self._bus}: no sample for {silent_ns / 1e9:.1f} s: it has lost its "
                "configuration, check its power supply for dips"
            )
