"""A recording as a sensor: its rows at their times, or as fast as possible.

The recording begins when the driver starts, on the sensor's clock; its gaps are gaps
again. With `repeat` it starts again one sample period after its end. At pace "fast"
the driver never waits, so the times lie in the past: the time of the last row is the
time of the start (repeated rounds continue after it).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sensorml.acquisition.polled import Rate
from sensorml.errors import RecordingError, SensorError, SourceEndedError
from sensorml.interfaces import Cures, SensorOptions
from sensorml.recordings import Recording, TableOptions, labels, read
from sensorml.types import Block, Channel

BLOCK_S = 0.05
MAX_ROWS = 4096

TimeUnit = Literal[
    "ns", "us", "ms", "s", "min", "h", "d", "excel", "matlab", "dmy", "mdy"
]


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "file"`."""

    path: str
    pace: Literal["real", "fast"] = "real"
    repeat: bool = False
    channels: tuple[str, ...] | None = None
    """The columns to read, in this order; omit for all."""
    rate_hz: Annotated[Rate, Meta(le=10_000_000)] | None = None
    """The sample rate, if the file does not contain it."""
    unit: str = ""
    """The unit of the samples, if the file does not contain it; else they are
    converted."""
    time: str | None = None
    """The time column of a table; omit to find it."""
    time_unit: TimeUnit | None = None
    """The unit of that column, or the order of its dates."""
    where: dict[str, str] = msgspec.field(default_factory=dict)
    """By column, the value of the rows to take, of a table of several sensors."""

    @property
    def table(self) -> TableOptions:
        return TableOptions(self.time, self.time_unit, self.where)

    @property
    def thread(self) -> str:
        return f"file {self.path}"

    @property
    def cures(self) -> Cures:
        return Cures(
            overrun="give the computer less to do",
            frozen="check the recording",
            stale="check the disk",
        )


def channels(options: Options) -> Sequence[Channel]:
    """Return the columns of the recording, from its header or first rows.

    Raises:
        RecordingError: they cannot be read.
    """
    with _keys():
        found = labels(
            options.path,
            channels=options.channels,
            rate_hz=options.rate_hz,
            unit=options.unit,
            table=options.table,
        )
    return tuple(Channel(name, found.unit) for name in found.channels)


@contextmanager
def _keys() -> Iterator[None]:
    """Name the keys of this driver in errors, in place of the options of commands."""
    try:
        yield
    except RecordingError as err:
        text = re.sub(r"--where (\S+)=VALUE", r'where = { "\1" = "VALUE" }', str(err))
        text = text.replace("--rate", "rate_hz").replace("--time-unit", "time_unit")
        text = re.sub(r"--(time|where|channels|unit)\b", r"\1", text)
        raise type(err)(text) from err


class Driver:
    """One recording, which is read at the start; a long one lies on the disk then.

    `read` never waits: it returns None until the rows of a block are due, then all
    rows that are due, up to the next gap.
    """

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = BLOCK_S if options.pace == "real" else 0.0
        self._options = options
        self._clock = clock
        self._recording: Recording | None = None
        self._row = 0
        self._shift_ns = 0  # from the recording's clock to ours
        self._lap_ns = 0  # length of one round
        self._usual = 1  # rows of a block without a gap

    def start(self) -> None:
        """Read the recording and begin with its first row.

        Raises:
            RecordingError: it cannot be read.
        """
        with _keys():
            recording = read(
                self._options.path,
                channels=self._options.channels,
                rate_hz=self._options.rate_hz,
                unit=self._options.unit,
                table=self._options.table,
            )
        last = recording.segments[-1]
        rows = recording.rows - 1 - last.first
        end_ns = last.start_ns + round(rows * 1e9 / last.rate_hz)
        self._lap_ns = end_ns + round(1e9 / last.rate_hz) - recording.start_ns
        self._row = 0
        self._recording = recording
        if self._options.pace == "real":
            self._usual = min(MAX_ROWS, max(1, round(BLOCK_S * recording.rate_hz)))
            self.period_s = self._usual / recording.rate_hz
            self._shift_ns = self._clock() - recording.start_ns
        else:
            self._shift_ns = self._clock() - end_ns

    def read(self) -> Block | None:
        """Return the rows that are due and new.

        Raises:
            SourceEndedError: there are no more rows.
            SensorError: the driver was not started.
        """
        recording = self._recording
        if recording is None:
            raise SensorError(f"{self._options.path}: not started: call start first")
        if self._row == recording.rows:
            if not self._options.repeat:
                raise SourceEndedError(f"{self._options.path}: the recording has ended")
            self._row = 0
            self._shift_ns += self._lap_ns
        block = recording.block(self._row, MAX_ROWS)
        age_ns = 0
        if self._options.pace == "real":
            since_ns = self._clock() - self._shift_ns - block.start_ns
            # Half a ns more, because the times of rows are rounded.
            due = int((since_ns + 0.5) * block.rate_hz / 1e9) + 1
            if since_ns < 0 or due < min(self._usual, len(block.samples)):
                return None
            block = recording.block(self._row, min(due, MAX_ROWS))
            age_ns = since_ns - round((len(block.samples) - 1) * 1e9 / block.rate_hz)
        self._row += len(block.samples)
        return replace(
            block,
            start_ns=block.start_ns + self._shift_ns,
            age_ns=max(0, age_ns),
        )

    def stop(self) -> None:
        self._recording = None
