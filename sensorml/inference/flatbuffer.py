"""A reader of FlatBuffers that checks every offset and length.

A table begins with the distance to its vtable, which lists where each numbered
field (slot) lies within the table; everything larger than a number is behind
an offset. Little endian throughout. Source: FlatBuffers, "Internals".
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sensorml.errors import ModelError

MOST_BYTES: Final = 256 * 2**20
"""The largest file that is read into memory; small boards run none larger."""
_MAX_TABLES: Final = 1_000_000  # the limit of FlatBuffers' own verifier


def read(path: Path, identifier: bytes) -> bytes:
    """Read a regular file that begins with this identifier; never block on a pipe.

    Raises:
        OSError: it cannot be read.
        ModelError: it is not such a file, or too large.
    """
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelError("is not a regular file", "give a .tflite file")
        head = file.read(8)
        if head[4:] != identifier:
            raise ModelError("is not a TFLite file", "convert the model to .tflite")
        if status.st_size > MOST_BYTES:
            raise ModelError(
                f"has {status.st_size >> 20} MB, the limit is {MOST_BYTES >> 20} MB",
                "use a smaller model",
            )
        return head + file.read()


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would block until a writer


class Buffer:
    """The bytes of a file, and the number of tables that were followed in them."""

    __slots__ = ("data", "tables")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tables = 0

    def root(self) -> Table:
        return Table(self, self.offset(0))

    def check(self, at: int, length: int) -> None:
        """Check that a span lies wholly in the file.

        Raises:
            ModelError: it does not; raised by all methods here for a damaged file.
        """
        if at < 0 or at + length > len(self.data):
            raise ModelError(
                f"is cut off or damaged, it refers to byte {at + length} of "
                f"{len(self.data)}",
                "copy the file again",
            )

    def values(self, at: int, kind: str, count: int = 1) -> tuple[int, ...]:
        """Read `count` numbers of one struct format."""
        self.check(at, count * struct.calcsize("<" + kind))
        return struct.unpack_from(f"<{count}{kind}", self.data, at)

    def offset(self, at: int) -> int:
        """Follow the offset that is stored at `at`."""
        return at + self.values(at, "I")[0]


class Table:
    """One table; an absent field reads as its default, or empty."""

    __slots__ = ("_at", "_buffer", "_fields")

    def __init__(self, buffer: Buffer, at: int) -> None:
        buffer.tables += 1
        if buffer.tables > _MAX_TABLES:
            raise ModelError(
                f"is damaged, it has more than {_MAX_TABLES} tables",
                "copy the file again",
            )
        vtable = at - buffer.values(at, "i")[0]
        size, extent = buffer.values(vtable, "H", 2)
        if size < 4 or size % 2:
            raise ModelError(
                f"is damaged, no table begins at byte {at}", "copy the file again"
            )
        buffer.check(at, extent)
        self._buffer = buffer
        self._at = at
        self._fields = buffer.values(vtable + 4, "H", size // 2 - 2)

    def number(self, slot: int, kind: str, default: int = 0) -> int:
        at = self._field(slot)
        return self._buffer.values(at, kind)[0] if at else default

    def vector(self, slot: int, kind: str) -> tuple[int, ...]:
        at, count = self._items(slot, struct.calcsize("<" + kind))
        return self._buffer.values(at, kind, count)

    def floats(self, slot: int) -> tuple[float, ...]:
        return self.vector(slot, "f")

    def length(self, slot: int) -> int:
        """Return the length of a vector of bytes without reading it."""
        return self._items(slot, 1)[1]

    def text(self, slot: int) -> str:
        at, count = self._items(slot, 1)
        self._buffer.check(at, count + 1)  # the closing NUL is not counted
        return self._buffer.data[at : at + count].decode(errors="replace")

    def table(self, slot: int) -> Table | None:
        at = self._field(slot)
        return Table(self._buffer, self._buffer.offset(at)) if at else None

    def tables(self, slot: int) -> Iterator[Table]:
        at, count = self._items(slot, 4)
        for item in range(at, at + 4 * count, 4):
            yield Table(self._buffer, self._buffer.offset(item))

    def _field(self, slot: int) -> int:
        """Return the position of a field, or 0 if it is absent."""
        field = self._fields[slot] if slot < len(self._fields) else 0
        return self._at + field if field else 0

    def _items(self, slot: int, item_bytes: int) -> tuple[int, int]:
        """Return the position of a vector's items and their number."""
        at = self._field(slot)
        if not at:
            return 0, 0
        start = self._buffer.offset(at)
        count = self._buffer.values(start, "I")[0]
        self._buffer.check(start + 4, count * item_bytes)
        return start + 4, count
