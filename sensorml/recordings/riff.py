"""The chunks of a `.wav` file: RIFF, or RF64 where 32 bits are too few.

Sources: IBM and Microsoft, Multimedia Programming Interface 1.0, chapter 3;
WAVE_FORMAT_EXTENSIBLE by Microsoft's `mmreg.h`; RF64 and `ds64` by EBU Tech 3306.
"""

from __future__ import annotations

import os
from struct import Struct, error
from typing import BinaryIO, Final, NamedTuple

import msgspec

PCM: Final = 1
FLOAT: Final = 3
EXTENSIBLE: Final = 0xFFFE
UNKNOWN_SIZE: Final = 0xFFFFFFFF
"""The size of a chunk that stands in `ds64`, or that was never written."""
CHUNK: Final = Struct("<4sI")
FORMAT: Final = Struct("<HHIIHH")
DS64: Final = Struct("<QQQI")
_SUBFORMAT: Final = slice(24, 26)
_LONGEST: Final = 1 << 16  # of a chunk that is not samples


class Remarks(msgspec.Struct, frozen=True):
    """The comment that sensorml writes into a `.wav` (JSON in INFO, ICMT)."""

    unit: str
    rate_hz: float
    channels: tuple[str, ...]
    start_ns: int


class Wave(NamedTuple):
    """The description of the samples in a file."""

    code: int
    """`PCM`, `FLOAT` or another encoding."""
    channels: int
    rate_hz: int
    frame_bytes: int
    bits: int
    first_byte: int
    """The position of the samples in the file."""
    size: int
    """Their bytes by the header; those that are there where it has no size."""
    present: int
    """The bytes of the file from there on."""
    remarks: Remarks | None


def parse(file: BinaryIO) -> Wave:
    """Read all chunks but the samples.

    Raises:
        ValueError: it is not such a file; the text is what is wrong.
    """
    try:
        return _parse(file)
    except error as err:
        raise ValueError("it ends early") from err


def _parse(file: BinaryIO) -> Wave:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    kind, _ = CHUNK.unpack(file.read(CHUNK.size))
    if kind not in {b"RIFF", b"RF64"} or file.read(4) != b"WAVE":
        raise ValueError("it does not begin with RIFF and WAVE")
    form: bytes | None = None
    remarks: Remarks | None = None
    long_size = 0
    data: tuple[int, int, int] | None = None
    while len(header := file.read(CHUNK.size)) == CHUNK.size:
        name, size = CHUNK.unpack(header)
        at = file.tell()
        if name == b"data":
            size = _size(size, long_size, end - at)
            data = at, size, end - at
        elif name == b"fmt ":
            form = file.read(min(size, _LONGEST))
        elif name == b"ds64":
            _, long_size, _, _ = DS64.unpack(file.read(DS64.size))
        elif name == b"LIST":
            remarks = _remarks(file.read(min(size, _LONGEST))) or remarks
        file.seek(at + size + size % 2)
    if form is None or data is None:
        raise ValueError("it ends early")
    code, channels, rate_hz, _, frame_bytes, bits = FORMAT.unpack(form[: FORMAT.size])
    if code == EXTENSIBLE:
        code = int.from_bytes(form[_SUBFORMAT], "little")
    if not channels or not rate_hz:
        raise ValueError("it has no channels or no rate")
    return Wave(code, channels, rate_hz, frame_bytes, bits, *data, remarks)


def _size(size: int, long_size: int, there: int) -> int:
    """Return the bytes of the samples; a recorder that was killed left no size."""
    if size == UNKNOWN_SIZE:
        return long_size or there
    return size or there


def _remarks(info: bytes) -> Remarks | None:
    """Return our comment in a LIST chunk, if it has one."""
    _, _, rest = info.partition(b"ICMT")
    text = rest[4 : 4 + int.from_bytes(rest[:4], "little")].rstrip(b"\0")
    try:
        return msgspec.json.decode(text, type=Remarks)
    except msgspec.DecodeError:
        return None
