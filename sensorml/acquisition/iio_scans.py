"""Scans of the kernel's IIO buffers: their times, their gaps, their Blocks."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.acquisition.sample_clock import SampleClock
from sensorml.buses import sysfs
from sensorml.buses.iio_buffer import TIMESTAMP, Buffer, Int64, stop, write
from sensorml.errors import SensorError
from sensorml.types import Block

MEMORY_NS: Final = 30_000_000_000
"""The time over which the rate is measured."""
LEAST_SCANS: Final = 64
"""The rate is the nominal one before so many scans, because single times come from
interrupts, which are late by some µs to ms."""
_GAP: Final = 1.5  # periods


class Segment(NamedTuple):
    """Scans without a gap between them: `first` to `last` - 1 of a read."""

    first: int
    last: int
    start_ns: int
    rate_hz: float
    missed: int
    jitter_ns: int
    """As in `types.Block`."""


class ScanTimes:
    """The clock of a device whose scans carry their times, from its start on."""

    def __init__(self, nominal_hz: float) -> None:
        self._period_ns = 1e9 / nominal_hz
        self._count = 0
        self._last_ns: int | None = None
        self._next_ns: float | None = None  # expected of the scan after the last
        self._seen: deque[tuple[int, int]] = deque()  # (scans, time of the last)

    def segments(self, t_ns: Int64) -> Iterator[Segment]:
        """Split the scans of a read at gaps, and give each segment its time.

        Args:
            t_ns: (n,), n >= 1, when each was taken.
        """
        before = t_ns[0] if self._last_ns is None else self._last_ns
        steps = np.diff(t_ns, prepend=before)
        gaps = np.flatnonzero(steps > _GAP * self._period_ns)
        edges = sorted({0, *gaps.tolist(), len(t_ns)})
        for first, last in pairwise(edges):
            missed = 0
            if first in gaps:
                missed = max(1, round(int(steps[first]) / self._period_ns) - 1)
                self._seen.clear()
                self._next_ns = None
            yield self._segment(t_ns[first:last], first, missed)
        self._last_ns = int(t_ns[-1])

    def _segment(self, t_ns: Int64, first: int, missed: int) -> Segment:
        rows = len(t_ns)
        self._learn(rows, int(t_ns[-1]), int(t_ns[0]))
        # The times scatter, so the mean of all gives the start.
        since = t_ns - t_ns[0] - np.arange(rows) * self._period_ns
        start_ns = int(t_ns[0]) + round(float(since.mean()))
        moved = 0.0 if self._next_ns is None else start_ns - self._next_ns
        self._next_ns = start_ns + rows * self._period_ns
        rate_hz = 1e9 / self._period_ns
        return Segment(first, first + rows, start_ns, rate_hz, missed, round(moved))

    def _learn(self, rows: int, last_ns: int, first_ns: int) -> None:
        """Measure the period from the oldest scan in memory to the last."""
        if not self._seen:
            self._seen.append((self._count + 1, first_ns))
        self._count += rows
        self._seen.append((self._count, last_ns))
        while last_ns - self._seen[0][1] > MEMORY_NS and len(self._seen) > 2:
            self._seen.popleft()
        count, begun_ns = self._seen[0]
        if self._count - count >= LEAST_SCANS and last_ns > begun_ns:
            self._period_ns = (last_ns - begun_ns) / (self._count - count)


SILENT_S: Final = 0.5
"""A device without a scan for so long, and at least for SILENT_SCANS periods, has
no working trigger."""
SILENT_SCANS: Final = 5

_CLOCK: Final = "current_timestamp_clock"
_OFF: Final = 0.01  # of the rate: a larger difference is logged

log = logging.getLogger(__name__)


class Scaled(NamedTuple):
    """An element of a scan as a channel: (raw + offset) × scale."""

    name: str
    offset: float
    scale: float


def prepare(
    device: Path, names: Sequence[str], rate_hz: float, trigger: str | None
) -> float:
    """Set the trigger, the clock of the times and the sampling frequency.

    Returns:
        The sampling frequency that it now has; `rate_hz` if it has none to be set.

    Raises:
        BusError: one of them is refused.
    """
    stop(device)  # while it collects, the rest is busy
    files = [device / f"{name}sampling_frequency" for name in ("", *names)]
    if trigger is not None:
        write(device / "trigger/current_trigger", trigger)
        trigger_folder = sysfs.find(device.parent, "trigger*", trigger, "name")
        files.insert(0, trigger_folder / "sampling_frequency")
    if (device / _CLOCK).is_file():
        write(device / _CLOCK, "monotonic")
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return rate_hz
    write(file, f"{rate_hz:.12g}")
    actual_hz = sysfs.number(file)
    if actual_hz <= 0:
        raise SensorError(f"{file}: {actual_hz} Hz is no sampling frequency")
    if abs(actual_hz / rate_hz - 1) > _OFF:
        log.warning("%s: it runs at %g Hz, not at %g", file, actual_hz, rate_hz)
    return actual_hz


class Scans:
    """The scans of one buffer, from its start to its close."""

    def __init__(
        self,
        buffer: Buffer,
        rate_hz: float,
        capacity: int,
        clock: Callable[[], int],
    ) -> None:
        """Read `buffer`, in which the kernel keeps the oldest `capacity` scans."""
        self._buffer = buffer
        self._capacity = capacity
        self._clock = clock
        self._times = ScanTimes(rate_hz)
        self._count = SampleClock(rate_hz)
        self._waiting: deque[tuple[Segment, Mapping[str, Int64]]] = deque()
        self._limits = {
            each.name: (-(1 << each.bits - 1), (1 << each.bits - 1) - 1)
            if each.signed
            else (0, (1 << min(each.bits, 63)) - 1)
            for each in buffer.layout.elements
        }
        self._silent_ns = round(max(SILENT_S, SILENT_SCANS / rate_hz) * 1e9)
        self._alive_ns = clock()
        self._lost = False

    def block(self, channels: Sequence[Scaled]) -> Block | None:
        """Return the scans that are new, up to the next gap.

        Raises:
            BusError: the device is gone.
            SensorError: it has taken no scan for too long.
        """
        if not self._waiting:
            self._take()
        if not self._waiting:
            return None
        segment, values = self._waiting.popleft()
        rows = slice(segment.first, segment.last)
        raw = [values[each.name][rows] for each in channels]
        last_ns = segment.start_ns + round(
            (segment.last - segment.first - 1) * 1e9 / segment.rate_hz
        )
        return Block(
            samples=np.stack(
                [
                    ((one + each.offset) * each.scale).astype(np.float32)
                    for one, each in zip(raw, channels, strict=True)
                ],
                axis=1,
            ),
            start_ns=segment.start_ns,
            rate_hz=segment.rate_hz,
            missed=segment.missed,
            clipped=self._clipped(raw, channels),
            age_ns=max(0, self._clock() - last_ns),
            jitter_ns=segment.jitter_ns,
        )

    def close(self) -> None:
        self._buffer.close()

    def _clipped(
        self, raw: Sequence[Int64], channels: Sequence[Scaled]
    ) -> NDArray[np.intp]:
        full = np.zeros(len(raw[0]), bool)
        for one, each in zip(raw, channels, strict=True):
            low, high = self._limits[each.name]
            full |= one >= high
            if low:  # 0 is the end of an unsigned scale, but also a valid value
                full |= one <= low
        return np.flatnonzero(full)

    def _take(self) -> None:
        """Read the new scans, and split them where their times have gaps."""
        began_ns = self._clock()
        values = self._buffer.read()
        ended_ns = self._clock()
        rows = len(next(iter(values.values())))
        if not rows:
            self._expect(ended_ns)
            return
        self._alive_ns = ended_ns
        if self._buffer.timestamps:
            segments = self._times.segments(values[TIMESTAMP])
            self._waiting.extend((segment, values) for segment in segments)
        elif rows >= self._capacity:
            # The kernel has dropped the scans after these, so their times are
            # uncertain.
            self._lost = True
        else:
            lost, self._lost = self._lost, False
            stamp = self._count.stamp(rows, began_ns, ended_ns, lost=lost)
            self._waiting.append((Segment(0, rows, *stamp), values))

    def _expect(self, now_ns: int) -> None:
        silent_ns = now_ns - self._alive_ns
        if silent_ns > self._silent_ns:
            raise SensorError(
                f"{self._buffer}: no scan for {silent_ns / 1e9:.1f} s: check its "
                "interrupt line, or name a trigger"
            )
