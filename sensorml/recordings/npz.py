"""`.npz`: the project's own format, a zip of NumPy arrays.

Only `samples` (n, channels), float32 or int16, is required; without it, all arrays
are looked at as in `arrays`. `scale` (one number,
or one per channel) turns counts into `unit`. `rate_hz`, `channels`, `unit` and
`start_ns` (UTC) are optional. `t_ns` (n,) has the times of irregular rows in ns;
they may count from any zero if `start_ns` is present. Nothing is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.files import replacing
from sensorml.recordings import spool
from sensorml.recordings.archive import Archive, Array, Header
from sensorml.recordings.arrays import from_named
from sensorml.recordings.content import Chunk, Content
from sensorml.recordings.recording import (
    Infinite,
    Labels,
    Recording,
    agreed_rate,
    at_full_scale,
    chosen,
    numbered,
    sound,
)
from sensorml.recordings.segments import Int64, Rows
from sensorml.recordings.spool import Samples, Sliced, Spool
from sensorml.recordings.writers import npz
from sensorml.types import NO_ROWS, Float32

_SAMPLES: Final = "samples"
_LOOK_ROWS: Final = 65_536
"""Rows of each array that `labels` reads of a file without `samples`."""
_MOST_CHANNELS: Final = 64
"""Columns beyond which an array that is wider than long is transposed."""


_READ_VALUES: Final = 1 << 20
"""Values that are read at a time."""
_MOST_BYTES: Final = 1 << 20
"""Of an array that is not of rows."""


class Part(NamedTuple):
    """Consecutive rows of a file."""

    samples: Float32
    """(n, channels), scaled; they may hold infinity."""
    t_ns: Int64 | None
    """(n,), as in the file; None where it has no times."""
    clipped: Rows
    """The rows at full scale, from the first one of the part on."""


class NpzReader:
    """A file with an array `samples`: its labels, and its rows in parts."""

    def __init__(
        self, path: Path, archive: Archive, channels: Sequence[str] | None
    ) -> None:
        """Read everything but the rows.

        Raises:
            RecordingError: an array is wrong.
        """
        self._path = path
        self._archive = archive
        header = archive.header(_SAMPLES)
        if len(header.shape) != 2:
            raise self._wrong(_SAMPLES, header, "an array (n, channels)")
        self._integer = header.dtype.newbyteorder("=") == np.int16
        if header.dtype.kind != "f" and not self._integer:
            raise self._wrong(_SAMPLES, header, "float32 or int16")
        names = self._optional("channels")
        self.transposed = _is_transposed(header.shape, names)
        self.rows, width = header.shape[:: -1 if self.transposed else 1]
        existing = self._names(names, width)
        self.channels = existing if channels is None else tuple(channels)
        columns = chosen(path, existing, self.channels)
        self._columns = None if columns == list(range(width)) else columns
        self._scale = self._factors(width, columns)
        rate, start = self._number("rate_hz", "iuf"), self._number("start_ns", "iu")
        self.rate_hz = None if rate is None else float(rate)
        self.start_ns = 0 if start is None else int(start)
        self.unit = self._text("unit")
        self.timed = "t_ns" in archive.names
        if self.timed:
            times = archive.header("t_ns")
            if times.dtype.kind not in "iu" or times.shape != (self.rows,):
                raise self._wrong("t_ns", times, f"int64 of shape ({self.rows},)")

    def samples(self) -> Samples | None:
        """Return the samples to be read from the file; None where it is packed.

        They are not checked: `parts` does that.
        """
        values = self.rows * len(self.channels)
        if values <= spool.IN_MEMORY or self.transposed:
            return None
        stored = self._archive.in_place(_SAMPLES)
        return None if stored is None else _Scaled(stored, self._scaled)

    def parts(self, rows: int) -> Iterator[Part]:
        """Yield all rows in order, at most `rows` at a time.

        Raises:
            RecordingError: the file is damaged.
        """
        times = self._archive.chunks("t_ns", rows) if self.timed else None
        for counts in self._counts(rows):
            clipped = NO_ROWS
            if self._integer:
                taken = counts if self._columns is None else counts[:, self._columns]
                clipped = at_full_scale(taken.astype(np.int16, copy=False), 16)
            t_ns = None if times is None else next(times).astype(np.int64, copy=False)
            yield Part(self._scaled(counts), t_ns, clipped)

    def _scaled(self, counts: Array) -> Float32:
        taken = counts if self._columns is None else counts[:, self._columns]
        with np.errstate(over="ignore", invalid="ignore"):  # infinity is refused
            samples = taken.astype(np.float32, copy=False)
            return samples if self._scale is None else samples * self._scale

    def _counts(self, rows: int) -> Iterator[Array]:
        if not self.transposed:
            yield from self._archive.chunks(_SAMPLES, rows)
            return
        whole = self._archive.array(_SAMPLES).T
        for first in range(0, self.rows, rows):
            yield whole[first : first + rows]

    def _names(self, names: Array | None, width: int) -> tuple[str, ...]:
        if names is None:
            return numbered(width)
        if names.dtype.kind != "U" or names.shape != (width,):
            raise self._wrong("channels", names, f"an array of {width} texts")
        return tuple(names.tolist())

    def _factors(self, width: int, columns: list[int]) -> Float32 | None:
        """Return the factor of each channel that is read."""
        scale = self._optional("scale")
        if scale is None:
            return None
        if scale.dtype.kind not in "iuf" or scale.shape not in {(), (1,), (width,)}:
            raise self._wrong("scale", scale, f"one number, or {width}")
        with np.errstate(over="ignore"):  # the samples become infinite and are refused
            factors = np.broadcast_to(scale.astype(np.float32), (width,))
        return np.array(factors[columns])

    def _number(self, name: str, kinds: str) -> int | float | None:
        array = self._optional(name)
        if array is None:
            return None
        if array.size != 1 or array.dtype.kind not in kinds:
            what = "one whole number" if kinds == "iu" else "one number"
            raise self._wrong(name, array, what)
        number: int | float = array.reshape(-1)[0].item()
        return number

    def _text(self, name: str) -> str | None:
        array = self._optional(name)
        if array is None:
            return None
        if array.size != 1 or array.dtype.kind != "U":
            raise self._wrong(name, array, "one text")
        return str(array.reshape(-1)[0])

    def _optional(self, name: str) -> Array | None:
        """Return a short array; None where there is none."""
        if name not in self._archive.names:
            return None
        header = self._archive.header(name)
        if header.row_bytes * (header.shape[0] if header.shape else 1) > _MOST_BYTES:
            raise self._wrong(name, header, "a short one")
        return self._archive.array(name)

    def _wrong(self, name: str, array: Header | Array, expected: str) -> RecordingError:
        return RecordingError(
            f"{self._path}: {name} is {array.dtype} of shape {array.shape}: save it as "
            f"{expected}"
        )


class _Scaled:
    """Samples of a file, from what it holds."""

    def __init__(
        self, counts: Sliced[np.generic], scaled: Callable[[Array], Float32]
    ) -> None:
        self._counts = counts
        self._scaled = scaled

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, rows: slice, /) -> Float32:
        return self._scaled(self._counts[rows])


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read a recording; rate and unit in the file take precedence.

    Raises:
        RecordingError: it is not a recording, or one of its arrays is wrong.
    """
    with closing(Archive(path)) as archive:
        if _SAMPLES not in archive.names:
            arrays = archive.arrays()
            return from_named(
                path, arrays, channels=channels, rate_hz=rate_hz, unit=unit
            )
        reader = NpzReader(path, archive, channels)
        in_place = reader.samples()
        samples = Spool(path, np.float32, len(reader.channels))
        t_ns = Spool(path, np.int64) if reader.timed else None
        clipped = Spool(path, np.intp)
        infinite = Infinite()
        rows = max(1, _READ_VALUES // max(1, len(reader.channels)))
        at = 0
        for part in reader.parts(rows):
            infinite.add(part.samples)
            if in_place is None:
                samples.append(part.samples)
            if t_ns is not None and part.t_ns is not None:
                t_ns.append(part.t_ns)
            if len(part.clipped):
                clipped.append(part.clipped + at)
            at += len(part.samples)
    recording = sound(
        path,
        samples if in_place is None else in_place,
        channels=reader.channels,
        unit=unit if reader.unit is None else reader.unit,
        rate_hz=agreed_rate(path, reader.rate_hz, rate_hz),
        start_ns=reader.start_ns,
        t_ns=t_ns,
        clipped=clipped,
        infinite=infinite,
    )
    if reader.transposed:
        note = "transposed to one row a sample: samples"
        return replace(recording, notes=(*recording.notes, note))
    return recording


def labels(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Labels:
    """Read the channels and the unit, and none of the rows if there are `samples`.

    Raises:
        RecordingError: it is not a recording, or one of its arrays is wrong.
    """
    with closing(Archive(path)) as archive:
        if _SAMPLES in archive.names:
            reader = NpzReader(path, archive, channels)
            agreed_rate(path, reader.rate_hz, rate_hz)
            return Labels(reader.channels, reader.unit or unit)
        arrays = archive.arrays(_LOOK_ROWS)
        first = from_named(path, arrays, channels=channels, rate_hz=rate_hz, unit=unit)
        return Labels(first.channels, first.unit)


def _is_transposed(shape: tuple[int, ...], names: Array | None) -> bool:
    """Return whether samples are (channels, n): by the names, or as no file is wide."""
    rows, width = shape
    if names is not None and names.ndim == 1:
        return len(names) == rows != width
    return rows < width and width > _MOST_CHANNELS


def write_npz(
    path: Path | str,
    *,
    samples: Float32 | NDArray[np.int16],
    rate_hz: float,
    channels: Sequence[str],
    unit: str,
    start_ns: int,
    t_ns: Int64 | None = None,
) -> None:
    """Write a recording; `path` is replaced as a whole or not at all.

    Raises:
        OutputError: the file cannot be written.
        ValueError: the shapes do not fit each other.
    """
    rows = len(samples)
    if samples.shape != (rows, len(channels)):
        raise ValueError(f"samples of shape {samples.shape}, {len(channels)} channels")
    times = np.empty(rows, np.int64) if t_ns is None else t_ns
    if times.shape != (rows,):
        raise ValueError(f"t_ns of shape {times.shape}, {rows} rows")
    content = Content(
        channels=tuple(channels),
        unit=unit,
        rate_hz=float(rate_hz),
        start_ns=start_ns,
        rows=rows,
        gaps=0,
        timed=t_ns is not None,
        chunks=lambda: iter((Chunk(samples, times),)),
        counts=samples.dtype == np.int16,
    )
    with replacing(Path(path)) as file:
        npz.write(file, content)
