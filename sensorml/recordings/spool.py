"""Rows that are read in slices, so that a recording need not fit into memory.

Few rows are an array. Many lie in a temporary file that no folder lists, so it is gone
with the process, however that ends.
"""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO, Final, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError

T = TypeVar("T", bound=np.generic)
T_co = TypeVar("T_co", bound=np.generic, covariant=True)

IN_MEMORY: Final = 1 << 22
"""Values that are kept in memory; more are written to a file."""
PIECE: Final = 1 << 16
"""Rows that are looked at at a time."""


class Sliced(Protocol[T_co]):
    """Rows that a slice reads: an array, or what reads it from a file."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> NDArray[T_co]: ...


Samples: TypeAlias = Sliced[np.float32]
"""(n, channels)."""
Times: TypeAlias = Sliced[np.int64]
"""(n,), in ns."""


class Spool(Generic[T]):
    """Rows that are appended one after the other."""

    def __init__(self, path: Path, kind: type[T], *shape: int) -> None:
        """Begin without rows.

        Args:
            path: the recording, for messages.
            kind: of the values.
            shape: of a row.
        """
        self._path = path
        self._kind = np.dtype(kind)
        self._shape = shape
        self._row_values = math.prod(shape)
        self._parts: list[NDArray[T]] = []
        self._file: IO[bytes] | None = None
        self._rows = 0

    def append(self, rows: NDArray[T]) -> None:
        """Append rows.

        Raises:
            RecordingError: there is no room for the file.
        """
        self._rows += len(rows)
        if self._file is None:
            self._parts.append(rows)
            if self._rows * self._row_values <= IN_MEMORY:
                return
        try:
            if self._file is None:
                self._file = _temporary()
                weakref.finalize(self, self._file.close)
                for part in self._parts:
                    self._write(self._file, part)
                self._parts = []
            else:
                self._write(self._file, rows)
        except OSError as err:
            raise RecordingError(
                f"{self._path}: its rows need a temporary file in {folder()} "
                f"({err.strerror}): free some space, or set TMPDIR to another folder"
            ) from err

    @staticmethod
    def _write(file: IO[bytes], rows: NDArray[T]) -> None:
        left = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data
        while left:
            left = left[file.write(left) :]

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, rows: slice, /) -> NDArray[T]:
        """Return consecutive rows."""
        first, stop, _ = rows.indices(self._rows)
        if self._file is None:
            if len(self._parts) != 1:
                self._parts = [self._joined()]
            return self._parts[0][first:stop]
        array = np.empty((max(0, stop - first), *self._shape), self._kind)
        row_bytes = self._row_values * self._kind.itemsize
        fill(self._path, self._file.fileno(), array, first * row_bytes)
        return array

    def _joined(self) -> NDArray[T]:
        if not self._parts:
            return np.empty((0, *self._shape), self._kind)
        return np.concatenate(self._parts)


class Stored(Generic[T]):
    """Rows that lie in a file one after the other, as they are in memory."""

    def __init__(
        self,
        path: Path,
        descriptor: int,
        offset: int,
        kind: np.dtype[T],
        shape: tuple[int, ...],
    ) -> None:
        """Duplicate the descriptor of the file.

        Args:
            path: the file, for messages.
            descriptor: of the file.
            offset: bytes before the first row.
            kind: of the values.
            shape: of all rows.
        """
        self._path = path
        self._descriptor = os.dup(descriptor)
        weakref.finalize(self, os.close, self._descriptor)
        self._offset = offset
        self._kind = kind
        self._shape = shape

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, rows: slice, /) -> NDArray[T]:
        first, stop, _ = rows.indices(len(self))
        array = np.empty((max(0, stop - first), *self._shape[1:]), self._kind)
        row_bytes = math.prod(self._shape[1:]) * self._kind.itemsize
        fill(self._path, self._descriptor, array, self._offset + first * row_bytes)
        return array


class View(Generic[T]):
    """Some consecutive rows of others."""

    def __init__(self, rows: Sliced[T], first: int, stop: int) -> None:
        self._rows = rows
        self._first = first
        self._count = stop - first

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: slice, /) -> NDArray[T]:
        first, stop, _ = rows.indices(self._count)
        return self._rows[self._first + first : self._first + stop]


class Chained(Generic[T]):
    """Rows of several, one after the other."""

    def __init__(self, parts: Sequence[Sliced[T]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, rows: slice, /) -> NDArray[T]:
        first, stop, _ = rows.indices(len(self))
        found: list[NDArray[T]] = []
        at = min(bisect_right(self._ends, first), len(self._parts) - 1)
        while not found or first < stop:
            part = self._parts[at]
            begin = self._ends[at] - len(part)
            found.append(part[first - begin : max(first, stop) - begin])
            first, at = self._ends[at], at + 1
        return found[0] if len(found) == 1 else np.concatenate(found)


class Scaled:
    """Samples in another unit."""

    def __init__(self, samples: Samples, scale: float) -> None:
        self._samples = samples
        self._scale = np.float32(scale)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, rows: slice, /) -> NDArray[np.float32]:
        return self._samples[rows] * self._scale


def pieces(rows: Sliced[T], overlap: int = 0) -> Iterator[NDArray[T]]:
    """Yield all rows in order, each time after the last `overlap` of those before.

    >>> [piece.tolist() for piece in pieces(np.arange(3))]
    [[0, 1, 2]]
    """
    for first in range(0, len(rows), PIECE):
        yield rows[max(0, first - overlap) : first + PIECE]


def fill(path: Path, descriptor: int, array: NDArray[T], offset: int) -> None:
    """Read the values of an array from a place in a file.

    Raises:
        RecordingError: they cannot be read.
    """
    left = array.reshape(-1).view(np.uint8).data
    reason = "it became shorter"
    while left:
        try:
            count = os.preadv(descriptor, [left], offset)
        except OSError as err:
            reason, count = str(err.strerror), 0
        if not count:
            raise RecordingError(
                f"{path}: cannot be read any more ({reason}): copy it and read it again"
            )
        left, offset = left[count:], offset + count


def _temporary() -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder(), buffering=0)


def folder() -> str:
    """Return the folder of long temporary files: TMPDIR, else /var/tmp.

    /tmp is often in memory.
    """
    named = os.environ.get("TMPDIR")
    usual = os.access("/var/tmp", os.W_OK | os.X_OK)  # noqa: S108
    return named or ("/var/tmp" if usual else tempfile.gettempdir())  # noqa: S108
