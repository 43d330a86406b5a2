"""The arrays of an `.npz` file, whose headers are read first and believed last.

A zip may promise more than it holds, or unpack to more than any memory. So the shape
in an array's header must agree with the size in the zip's, and a size that no
recording has is refused before anything is unpacked.
"""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from struct import Struct, error
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.recordings.counted import CountedFile
from sensorml.recordings.recording import MAX_VALUES
from sensorml.recordings.spool import Stored
from sensorml.recordings.tables.sources import MOST_PACKED, PACKED_FREE

Array: TypeAlias = NDArray[np.generic]

_MOST_MEMBERS: Final = 4096
_SHOWN: Final = 12
_LOCAL: Final = Struct("<4s22xHH")
_ENCRYPTED: Final = 1
_PIECE: Final = 1 << 16  # bytes that stay in a processor's cache
# The exceptions that zipfile, zlib, struct and NumPy raise for damaged bytes.
_BROKEN: Final = (
    error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    SyntaxError,
    RuntimeError,
    SystemError,
    MemoryError,
    OverflowError,
    RecursionError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class Header(NamedTuple):
    """The description of an array in the file."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    by_column: bool
    """True where the first index varies fastest (Fortran's order)."""

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class _Member(Protocol):
    """The bytes of an array, from its header on."""

    def read(self, size: int = -1, /) -> bytes: ...

    def readinto(self, buffer: memoryview, /) -> int: ...

    def tell(self) -> int: ...


class _Stored:
    """A member without compression, which is read straight into memory."""

    def __init__(self, file: CountedFile, info: zipfile.ZipInfo) -> None:
        """Find the bytes behind the local header (APPNOTE.TXT of PKWARE, 4.3.7)."""
        file.seek(info.header_offset)
        local = file.read(_LOCAL.size)
        magic, name_bytes, extra_bytes = _LOCAL.unpack(local)
        if magic != b"PK\3\4":
            raise zipfile.BadZipFile("Bad magic number for file header")
        self._file = file
        self._info = info
        self.first_byte = info.header_offset + _LOCAL.size + name_bytes + extra_bytes
        self._at = 0
        self._crc = 0

    def read(self, size: int = -1, /) -> bytes:
        left = self._info.file_size - self._at
        buffer = bytearray(left if size < 0 else min(size, left))
        count = self.readinto(memoryview(buffer))
        return bytes(buffer[:count])

    def readinto(self, buffer: memoryview, /) -> int:
        """Read what there is into a buffer; check the sum at the end."""
        part = buffer[: self._info.file_size - self._at]
        self._file.seek(self.first_byte + self._at)
        count = self._file.readinto(part)
        self._crc = zlib.crc32(part[:count], self._crc)
        self._at += count
        if self._at == self._info.file_size and self._crc != self._info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {self._info.filename!r}")
        return count

    def tell(self) -> int:
        return self._at


class Archive:
    """The arrays of a file, until `close`."""

    def __init__(self, path: Path) -> None:
        """Read the names of the arrays.

        Raises:
            RecordingError: it is no zip.
        """
        self._path = path
        with self._reading(), ExitStack() as opened:
            file = opened.enter_context(CountedFile(path))
            self._file = file
            self._zip = opened.enter_context(zipfile.ZipFile(file))
            self._opened = opened.pop_all()
        members = (
            m.removesuffix(".npy") for m in self._zip.namelist() if m[-4:] == ".npy"
        )
        self.names = tuple(dict.fromkeys(members))[:_MOST_MEMBERS]
        self._headers: dict[str, Header] = {}

    def close(self) -> None:
        self._opened.close()

    def header(self, name: str) -> Header:
        """Return the description of an array.

        Raises:
            RecordingError: it is damaged, promises what the file does not hold, holds
                objects, or would need more memory than any recording does.
        """
        if name not in self._headers:
            with self._reading(), self._member(name) as member:
                self._headers[name] = self._checked(name, *_parsed(member))
        return self._headers[name]

    def array(self, name: str) -> Array:
        """Return an array whole.

        Raises:
            RecordingError: as `header`, or its bytes are damaged.
        """
        header = self.header(name)
        with self._reading(), self._member(name) as member:
            _parsed(member)
            flat = np.empty(math.prod(header.shape), header.dtype)
            _fill(member, flat)
            _finish(member)
            if header.dtype.kind == "U":
                flat.tolist()  # raises an error for invalid Unicode
        shape = header.shape
        return flat.reshape(shape[::-1]).T if header.by_column else flat.reshape(shape)

    def arrays(self, rows: int | None = None) -> dict[str, Array]:
        """Return all arrays of numbers, or the first rows of each.

        Raises:
            RecordingError: as `array`, or they are too large together.
        """
        values = sum(math.prod(self.header(name).shape) for name in self.names)
        if values > MAX_VALUES:
            raise RecordingError(
                f"{self._path}: holds more than {MAX_VALUES} values: cut it"
            )
        numbers = [n for n in self.names if self.header(n).dtype.kind in "iuf"]
        if rows is None:
            return {name: self.array(name) for name in numbers}
        return {name: self._first(name, rows) for name in numbers}

    def _first(self, name: str, rows: int) -> Array:
        """Return the first rows; the longer side of an array is that of its rows."""
        header = self.header(name)
        longest = max(header.shape, default=0)
        if not longest or header.by_column or header.shape[0] < longest:
            array = self.array(name)
            return array[..., :rows] if header.shape else array
        return next(self.chunks(name, rows))

    def in_place(self, name: str) -> Stored[np.generic] | None:
        """Return an array to be read from the file; None if it is packed or turned.

        Its checksum is not verified: `chunks` does that.

        Raises:
            RecordingError: as `header`.
        """
        header = self.header(name)
        turned = header.by_column and len(header.shape) > 1
        info = self._zip.getinfo(f"{name}.npy")
        if turned or not _is_plain(info):
            return None
        with self._reading():
            member = _Stored(self._file, info)
            _, begin = _parsed(member)
        first_byte = member.first_byte + begin
        return Stored(
            self._path, self._file.fileno(), first_byte, header.dtype, header.shape
        )

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Yield an array in parts of at most so many rows.

        Memory is that of a part, but for an array in Fortran's order.

        Raises:
            RecordingError: as `array`.
        """
        header = self.header(name)
        if header.by_column and len(header.shape) > 1:
            whole = self.array(name)
            for first in range(0, len(whole), rows):
                yield whole[first : first + rows]
            return
        with ExitStack() as stack:
            with self._reading():
                member = stack.enter_context(self._member(name))
                _parsed(member)
            for first in range(0, header.shape[0], rows):
                count = min(rows, header.shape[0] - first)
                part = np.empty((count, *header.shape[1:]), header.dtype)
                with self._reading():
                    _fill(member, part)
                    if first + count == header.shape[0]:
                        _finish(member)
                yield part

    @contextmanager
    def _member(self, name: str) -> Iterator[_Member]:
        info = self._zip.getinfo(f"{name}.npy")
        if _is_plain(info):
            yield _Stored(self._file, info)
        else:
            with self._zip.open(info) as member:
                yield cast("_Member", member)

    def _checked(self, name: str, header: Header, at: int) -> Header:
        """Refuse a header that cannot be true."""
        if header.dtype.hasobject:
            raise RecordingError(
                f"{self._path}: {name} holds Python objects, which are never loaded: "
                "save numbers or texts"
            )
        size = math.prod(header.shape) * header.dtype.itemsize
        info = self._zip.getinfo(f"{name}.npy")
        if at + size > info.file_size:
            raise RecordingError(
                f"{self._path}: {name} has the shape {_short(header.shape)} by its "
                f"header, and {info.file_size - at} of its {size} bytes: copy or save "
                "it again"
            )
        if math.prod(header.shape) > MAX_VALUES:
            raise RecordingError(
                f"{self._path}: {name} is larger than {MAX_VALUES} values: cut it"
            )
        if info.file_size > info.compress_size * MOST_PACKED + PACKED_FREE:
            raise RecordingError(
                f"{self._path}: {name} unpacks to more than {MOST_PACKED} times its "
                "size, which no recording does: check where it comes from, or save it "
                "without compression"
            )
        return header

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what damaged bytes raise into an error with the name of the file."""
        try:
            yield
        except RecordingError:
            raise
        except _BROKEN as err:
            message = (str(err) or "not enough memory").splitlines()[0]
            raise RecordingError(
                f"{self._path}: is not a complete .npz ({message[:200]}): copy or save "
                "it again"
            ) from err


def _is_plain(info: zipfile.ZipInfo) -> bool:
    """Return whether the bytes of a member are in the file as they are."""
    return info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & _ENCRYPTED


def _parsed(member: _Member) -> tuple[Header, int]:
    """Read the header of an array; return also where its values begin."""
    version = npy.read_magic(member)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"an array of version {version}")
    shape, by_column, dtype = read[version](member)
    return Header(dtype, shape, by_column), member.tell()


def _fill(member: _Member, array: Array) -> None:
    """Read the values of an array."""
    raw = array.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(raw):
        count = member.readinto(raw[at : at + _PIECE])
        if not count:
            raise EOFError(f"{len(raw) - at} bytes are missing")
        at += count


def _finish(member: _Member) -> None:
    """Read what follows the values, because the checksum is verified at the end.

    A header that was damaged to a smaller shape would pass otherwise.
    """
    while member.read(_PIECE):
        pass


def _short(shape: Sequence[int]) -> str:
    parts = [str(n) if n < 10**18 else f"{n:.1e}" for n in shape[:_SHOWN]]
    return f"({', '.join(parts)})"
