"""The writer of `.wav`: float of 32 bit in the unit of the channels (1.0 is 1 g).

The comment has the unit, the names, the exact rate and the time of the first row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import msgspec
import numpy as np

from sensorml.recordings.content import Content
from sensorml.recordings.riff import (
    CHUNK,
    DS64,
    FLOAT,
    FORMAT,
    UNKNOWN_SIZE,
    Remarks,
)

_BITS = 32


def write(file: BinaryIO, content: Content) -> Sequence[str]:
    """Write the header and the samples; a format without times closes its gaps."""
    width = len(content.channels)
    frame_bytes = width * _BITS // 8
    size = content.rows * frame_bytes
    rate_hz = max(1, round(content.rate_hz))
    form = FORMAT.pack(FLOAT, width, rate_hz, rate_hz * frame_bytes, frame_bytes, _BITS)
    chunks = (
        _chunk(b"fmt ", form + bytes(2))  # no extension
        + _chunk(b"fact", min(content.rows, UNKNOWN_SIZE).to_bytes(4, "little"))
        + _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", _remarks(content)))
    )
    whole = 4 + len(chunks) + CHUNK.size + size
    if whole < UNKNOWN_SIZE:
        file.write(CHUNK.pack(b"RIFF", whole) + b"WAVE" + chunks)
        file.write(CHUNK.pack(b"data", size))
    else:
        long = DS64.pack(whole + CHUNK.size + DS64.size, size, content.rows, 0)
        file.write(CHUNK.pack(b"RF64", UNKNOWN_SIZE) + b"WAVE")
        file.write(_chunk(b"ds64", long) + chunks)
        file.write(CHUNK.pack(b"data", UNKNOWN_SIZE))
    file.writelines(
        np.ascontiguousarray(chunk.samples, "<f4").data for chunk in content.chunks()
    )
    if content.gaps:
        return (f"gaps are closed, because .wav has no times: {content.gaps}",)
    return ()


def _remarks(content: Content) -> bytes:
    remarks = Remarks(
        unit=content.unit,
        rate_hz=content.rate_hz,
        channels=content.channels,
        start_ns=content.start_ns,
    )
    return msgspec.json.encode(remarks) + b"\0"


def _chunk(name: bytes, content: bytes) -> bytes:
    return CHUNK.pack(name, len(content)) + content + bytes(len(content) % 2)
