"""The writer of `.npz`: arrays in a zip without compression."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import ArrayLike, NDArray

from sensorml.recordings.content import Content


def write(file: BinaryIO, content: Content) -> Sequence[str]:
    """Write `samples` and `t_ns` chunk by chunk, then what is short."""
    shape = content.rows, len(content.channels)
    samples = np.dtype(np.int16 if content.counts else np.float32)
    with zipfile.ZipFile(file, "w") as archive:
        chunks = (chunk.samples for chunk in content.chunks())
        _stream(archive, "samples", samples, shape, chunks)
        if content.timed:
            times = (chunk.t_ns for chunk in content.chunks())
            _stream(archive, "t_ns", np.dtype(np.int64), shape[:1], times)
        short: dict[str, ArrayLike] = {
            "rate_hz": content.rate_hz,
            "channels": np.array(content.channels, np.str_),
            "unit": content.unit,
            "start_ns": np.int64(content.start_ns),
        }
        for name, value in short.items():
            with archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, np.asarray(value), allow_pickle=False)
    return ()


def _stream(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[np.generic],
    shape: tuple[int, ...],
    parts: Iterable[NDArray[np.generic]],
) -> None:
    """Write one array of a shape that is known before its values."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        descr = npy.dtype_to_descr(dtype)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(member, header)
        for part in parts:
            member.write(np.ascontiguousarray(part, dtype).data)
