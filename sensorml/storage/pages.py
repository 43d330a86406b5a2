"""Rows read from the pages of a damaged SQLite file, past SQLite.

SQLite reaches a row through the pages above it; a damaged one hides all rows below it.
Here every page is looked at alone. Whether a row is one, its checksum shows. The layout
is that of https://www.sqlite.org/fileformat2.html, sections 1.6, 2.1 and 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Final, NamedTuple

_LEAF: Final = 13
_DEFAULT_BYTES: Final = 4096
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of an integer, by its serial type."""


class Cell(NamedTuple):
    """A record as it lies in the file."""

    id: int
    values: tuple[object, ...]


class DamagedFile:
    """The pages of a file that no program changes any more, with its WAL."""

    def __init__(self, file: BufferedReader, wal: BufferedReader | None) -> None:
        self._file, self._wal = file, wal
        self._page_bytes, self._frames = _frames(file, wal)
        size = file.seek(0, 2)
        self.pages = max([-(-size // self._page_bytes), *self._frames])

    def cells(self, number: int) -> Iterator[Cell]:
        """Yield what can be read of the cells of a leaf of a table; page 1 is first."""
        page = self._page(number)
        start = 100 if number == 1 else 0
        if len(page) < self._page_bytes or page[start] != _LEAF:
            return
        [count] = struct.unpack_from(">H", page, start + 3)
        most = (self._page_bytes - start - 8) // 2
        for place in range(min(count, most)):
            [at] = struct.unpack_from(">H", page, start + 8 + 2 * place)
            try:
                yield self._cell(page, at)
            except (IndexError, struct.error, ValueError):
                continue

    def _page(self, number: int) -> bytes:
        at = self._frames.get(number)
        if at is not None and self._wal is not None:
            self._wal.seek(at)
            return self._wal.read(self._page_bytes)
        self._file.seek((number - 1) * self._page_bytes)
        return self._file.read(self._page_bytes)

    def _cell(self, page: bytes, at: int) -> Cell:
        size, at = _varint(page, at)
        id_, at = _varint(page, at)
        local = _local_bytes(size, self._page_bytes)
        payload = page[at : at + local]
        if local < size:
            [following] = struct.unpack_from(">I", page, at + local)
            payload += self._overflow(following, size - local)
        return Cell(id_, tuple(_values(payload)))

    def _overflow(self, number: int, size: int) -> bytes:
        parts = []
        while size > 0:
            page = self._page(number) if number else b""
            if len(page) < self._page_bytes:
                raise ValueError
            parts.append(page[4 : 4 + size])
            size -= len(parts[-1])
            [number] = struct.unpack_from(">I", page)
        return b"".join(parts)


def open_file(path: Path) -> BufferedReader | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _frames(
    file: BufferedReader, wal: BufferedReader | None
) -> tuple[int, dict[int, int]]:
    """Return the size of a page, and where the WAL has the newest copy of each page.

    A frame counts if its salt is that of the WAL and a commit follows it. Its checksum
    is not looked at, because each row has its own.
    """
    [size] = struct.unpack(">H", file.read(18)[16:].ljust(2, b"\0"))
    page_bytes = _page_bytes(size)
    header = wal.read(_WAL_HEADER) if wal else b""
    if wal is None or len(header) < _WAL_HEADER:
        return page_bytes, {}
    [size] = struct.unpack_from(">I", header, 8)
    page_bytes = _page_bytes(size)
    salt = header[16:24]
    committed: dict[int, int] = {}
    pending: dict[int, int] = {}
    at = _WAL_HEADER
    while len(frame := wal.read(_FRAME_HEADER)) == _FRAME_HEADER:
        number, pages = struct.unpack_from(">II", frame)
        if frame[8:16] != salt:
            break
        pending[number] = at + _FRAME_HEADER
        if pages:
            committed |= pending
            pending.clear()
        at += _FRAME_HEADER + page_bytes
        wal.seek(at)
    return page_bytes, committed


def _page_bytes(size: int) -> int:
    """Return a size of pages; the usual one if the header is damaged."""
    size = 65536 if size == 1 else size
    return size if 512 <= size <= 65536 and size & (size - 1) == 0 else _DEFAULT_BYTES


def _local_bytes(size: int, page_bytes: int) -> int:
    """Return the bytes of a payload that lie in the cell; the rest overflows."""
    most = page_bytes - 35
    if size <= most:
        return size
    least = (page_bytes - 12) * 32 // 255 - 23
    local = least + (size - least) % (page_bytes - 4)
    return local if local <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to nine bytes, and where the next one begins."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >> 63 else value, at + 9


def _values(payload: bytes) -> Iterator[object]:
    head, at = _varint(payload, 0)
    body = head
    while at < head:
        type_, at = _varint(payload, at)
        size = _size(type_)
        part = payload[body : body + size]
        if len(part) < size:
            raise ValueError
        yield _value(type_, part)
        body += size


def _size(type_: int) -> int:
    if type_ >= 12:
        return (type_ - 12) // 2
    return 8 if type_ == 7 else _INTEGERS.get(type_, 0)


def _value(type_: int, part: Sequence[int] | bytes) -> object:
    data = bytes(part)
    if type_ >= 12:
        return data.decode("utf-8", "surrogateescape") if type_ % 2 else data
    if type_ == 7:
        return float(struct.unpack(">d", data)[0])
    if type_ in {8, 9}:
        return type_ - 8
    return int.from_bytes(data, "big", signed=True) if type_ else None
