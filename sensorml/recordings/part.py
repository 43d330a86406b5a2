"""`.part`: a recording that is being made, or was left by a process that was killed.

A text line names the format, the next one is JSON (channels, unit), and then come
frames: a header, and the float32 rows of one block. Every byte that was written
counts: a reader uses all frames up to the first that is cut or damaged.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

import msgspec
import numpy as np

from sensorml.errors import RecordingError
from sensorml.recordings.content import CHUNK_ROWS, Chunk, Content, even_times
from sensorml.recordings.recording import (
    MAX_VALUES,
    Labels,
    Recording,
    chosen,
    sound,
)
from sensorml.recordings.segments import Int64
from sensorml.types import Block, Float32

ENDING: Final = ".part"
SYNC_NS: Final = 5_000_000_000
"""The time of rows after which they are flushed to the disk."""
_FIRST_LINE: Final = b"sensorml recording, part 1\n"
_LONGEST_LINE: Final = 1 << 16
_FRAME: Final = Struct("<4sIqdQ")  # magic, rows, start in ns, rate, missed
_CRC: Final = Struct("<I")  # of the header and the rows
_MAGIC: Final = b"rows"
_MOST_BYTES: Final = 1 << 28  # of one frame


class _FirstLines(msgspec.Struct, frozen=True):
    channels: tuple[str, ...]
    unit: str


class _Frame(NamedTuple):
    rows: int
    start_ns: int
    rate_hz: float
    raw: bytes


class PartWriter:
    """The rows that are written so far."""

    def __init__(self, descriptor: int) -> None:
        """Begin without rows; the descriptor of an empty file stays the caller's."""
        self._descriptor = descriptor
        self._labels = Labels((), "")
        self.rows = 0
        self.missed = 0
        """Rows that are missing between the first row and the last."""
        self.gaps = 0
        self.start_ns = 0
        self.end_ns = 0
        """Time of the end of the last row."""
        self.rate_hz = 0.0
        self._synced_ns = 0

    @property
    def seconds(self) -> float:
        """The time from the first row to the end of the last, gaps included."""
        return (self.end_ns - self.start_ns) / 1e9

    def begin(self, labels: Labels) -> None:
        """Write the labels, once and before the rows.

        Raises:
            OSError: they cannot be written.
        """
        self._labels = labels
        lines = _FirstLines(labels.channels, labels.unit)
        self._append(_FIRST_LINE + msgspec.json.encode(lines) + b"\n")

    def write(self, block: Block) -> None:
        """Append the rows of a block with times in UTC.

        They survive the end of this process, however it ends; a power cut takes those
        of the last SYNC_NS.

        Raises:
            OSError: they cannot be written.
        """
        raw = np.ascontiguousarray(block.samples, "<f4").tobytes()
        rows = len(block.samples)
        header = _FRAME.pack(_MAGIC, rows, block.start_ns, block.rate_hz, block.missed)
        crc = zlib.crc32(raw, zlib.crc32(header))
        self._append(header + _CRC.pack(crc) + raw)
        if not self.rows:
            self.start_ns = block.start_ns
        elif block.missed:
            self.missed += block.missed
            self.gaps += 1
        self.rows += rows
        self.rate_hz = block.rate_hz
        self.end_ns = block.start_ns + round(rows * 1e9 / block.rate_hz)
        if self.end_ns - self._synced_ns >= SYNC_NS:
            os.fdatasync(self._descriptor)
            self._synced_ns = self.end_ns

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def content(self, path: Path) -> Content:
        """Return the rows; `path` is the file's, which is read for each use."""
        return Content(
            channels=self._labels.channels,
            unit=self._labels.unit,
            rate_hz=self.rate_hz,
            start_ns=self.start_ns,
            rows=self.rows,
            gaps=self.gaps,
            timed=True,
            chunks=lambda: PartReader(path).chunks(),
        )


class PartReader:
    """The labels and the rows of a file."""

    def __init__(self, path: Path) -> None:
        """Read the labels.

        Raises:
            RecordingError: it is no such file, or cannot be read.
        """
        self._path = path
        try:
            with path.open("rb") as file:
                first, line = file.readline(64), file.readline(_LONGEST_LINE)
                self._first = file.tell()
                lines = msgspec.json.decode(line, type=_FirstLines)
        except (OSError, msgspec.DecodeError) as err:
            raise self._no_part(str(err)) from err
        if first != _FIRST_LINE:
            raise self._no_part("another program or version wrote it")
        self.labels = Labels(lines.channels, lines.unit)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows of all frames that are whole, in order.

        Raises:
            RecordingError: the file cannot be read.
        """
        gathered: list[_Frame] = []
        rows, last_ns = 0, np.iinfo(np.int64).min
        for frame in self._frames():
            gathered.append(frame)
            rows += frame.rows
            if rows >= CHUNK_ROWS:
                chunk = self._chunk(gathered, last_ns)
                gathered, rows, last_ns = [], 0, int(chunk.t_ns[-1])
                yield chunk
        if gathered:
            yield self._chunk(gathered, last_ns)

    def _chunk(self, frames: Sequence[_Frame], last_ns: int) -> Chunk:
        times = [even_times(f.start_ns, f.rate_hz, f.rows) for f in frames]
        # A block's estimated start may be some ns before the end of the last block.
        t_ns = np.maximum.accumulate(np.maximum(np.concatenate(times), last_ns))
        raw = b"".join([frame.raw for frame in frames])
        width = len(self.labels.channels)
        return Chunk(np.frombuffer(raw, "<f4").reshape(-1, width), t_ns)

    def _frames(self) -> Iterator[_Frame]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._first)
                while (frame := self._frame(file)) is not None:
                    yield frame
        except OSError as err:
            raise self._no_part(str(err)) from err

    def _frame(self, file: BinaryIO) -> _Frame | None:
        """Return the next frame; None at the end, or at one that is damaged."""
        header, check = file.read(_FRAME.size), file.read(_CRC.size)
        if len(check) < _CRC.size:
            return None
        magic, rows, start_ns, rate_hz, _missed = _FRAME.unpack(header)
        size = rows * len(self.labels.channels) * 4
        if magic != _MAGIC or not 0 < size <= _MOST_BYTES:
            return None
        raw = file.read(size)
        if (
            len(raw) < size
            or zlib.crc32(raw, zlib.crc32(header)) != _CRC.unpack(check)[0]
        ):
            return None
        return _Frame(rows, start_ns, rate_hz, raw)

    def _no_part(self, reason: str) -> RecordingError:
        return RecordingError(
            f"{self._path}: is not the part of a recording ({reason}): name another "
            "file"
        )


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read what there is; the rate comes from the times.

    Raises:
        RecordingError: it is no such file, or has no rows.
    """
    part = PartReader(path)
    names = part.labels.channels
    columns = chosen(path, names, names if channels is None else channels)
    samples: list[Float32] = []
    times: list[Int64] = []
    values = 0
    for chunk in part.chunks():
        values += chunk.samples.size
        if values > MAX_VALUES:
            raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
        samples.append(np.asarray(chunk.samples[:, columns], np.float32))
        times.append(chunk.t_ns)
    if not times:
        raise RecordingError(f"{path}: has no samples: make the recording again")
    return sound(
        path,
        np.concatenate(samples),
        channels=names if channels is None else channels,
        unit=part.labels.unit or unit,
        rate_hz=rate_hz,
        t_ns=np.concatenate(times),
    )


def labels(
    path: Path,
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,  # noqa: ARG001 - there are times
    unit: str,
) -> Labels:
    """Read the channels and the unit.

    Raises:
        RecordingError: it is no such file, or has not the channels.
    """
    own = PartReader(path).labels
    names = own.channels if channels is None else tuple(channels)
    chosen(path, own.channels, names)
    return Labels(names, own.unit or unit)
