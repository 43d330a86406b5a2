"""`.npz`: the project's own format, a zip of NumPy arrays.

Only `samples` (n, channels), float32 or int16, is required; without it, all arrays
are looked at as in `arrays`. `scale` (one number,
or one per channel) turns counts into `unit`. `rate_hz`, `channels`, `unit` and
`start_ns` (UTC) are optional. `t_ns` (n,) has the times of irregular rows in ns;
they may count from any zero if `start_ns` is present. Nothing is ever unpickled.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.files import replacing
from sensorml.recordings.arrays import from_named
from sensorml.recordings.content import Chunk, Content
from sensorml.recordings.counted import CountedFile
from sensorml.recordings.recording import (
    MAX_VALUES,
    Recording,
    agreed_rate,
    at_full_scale,
    chosen,
    numbered,
    sound,
)
from sensorml.recordings.segments import Int64
from sensorml.recordings.writers import npz
from sensorml.types import NO_ROWS, Float32

Array = NDArray[np.generic]

_NAMES = ("samples", "scale", "rate_hz", "channels", "unit", "start_ns", "t_ns")
# The exceptions that zipfile, zlib and NumPy raise for damaged bytes.
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    SyntaxError,
    RuntimeError,
    SystemError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read a recording; rate and unit in the file take precedence.

    Raises:
        RecordingError: it is not a recording, or one of its arrays is wrong.
    """
    content = _load(path)
    counts = content.get("samples")
    if counts is None:
        return from_named(path, content, channels=channels, rate_hz=rate_hz, unit=unit)
    if counts.ndim != 2:
        raise _wrong(path, "samples", counts, "an array (n, channels)")
    integer = counts.dtype.newbyteorder("=") == np.int16
    if counts.dtype.kind != "f" and not integer:
        raise _wrong(path, "samples", counts, "float32 or int16")
    names = _names(path, content.get("channels"), counts.shape[1])
    scale = _scale(path, content.get("scale"), counts.shape[1])
    if channels is not None:
        columns = chosen(path, names, channels)
        counts, scale = counts[:, columns], scale[columns]
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is refused
        samples = counts.astype(np.float32)
        samples *= scale
    rate = _one(path, content, "rate_hz", "iuf", "one number")
    start = _one(path, content, "start_ns", "iu", "one whole number")
    file_unit = _one(path, content, "unit", "U", "one text")
    return sound(
        path,
        samples,
        channels=names if channels is None else channels,
        unit=unit if file_unit is None else str(file_unit.item()),
        rate_hz=agreed_rate(
            path, None if rate is None else float(rate.item()), rate_hz
        ),
        start_ns=0 if start is None else int(start.item()),
        t_ns=_times(path, content.get("t_ns"), len(samples)),
        clipped=at_full_scale(counts.astype(np.int16), 16) if integer else NO_ROWS,
    )


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


def _load(path: Path) -> dict[str, Array]:
    """Read the arrays of a recording; without `samples`, all arrays."""
    try:
        with CountedFile(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.namelist()
            present = [name for name in _NAMES if f"{name}.npy" in members]
            if "samples" not in present:
                present = [
                    m.removesuffix(".npy") for m in members if m.endswith(".npy")
                ]
            return {name: _array(path, archive, name) for name in present}
    except RecordingError:
        raise
    except _BROKEN as err:
        message = (str(err) or "not enough memory").splitlines()[0]
        raise RecordingError(
            f"{path}: is not a complete .npz ({message}): copy or save it again"
        ) from err


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > 8 * MAX_VALUES:
        raise RecordingError(
            f"{path}: {name} is larger than {MAX_VALUES} values: cut it"
        )
    with archive.open(member) as file:
        array: Array = npy.read_array(file, allow_pickle=False)
    if array.dtype.kind == "U":
        array.tolist()  # raises an error for invalid Unicode
    return array


def _wrong(path: Path, name: str, array: Array, expected: str) -> RecordingError:
    return RecordingError(
        f"{path}: {name} is {array.dtype} of shape {array.shape}: save it as {expected}"
    )


def _names(path: Path, names: Array | None, width: int) -> tuple[str, ...]:
    if names is None:
        return numbered(width)
    if names.dtype.kind != "U" or names.shape != (width,):
        raise _wrong(path, "channels", names, f"an array of {width} texts")
    return tuple(names.tolist())


def _scale(path: Path, scale: Array | None, width: int) -> Float32:
    """Return the factor of each channel."""
    if scale is None:
        return np.ones(width, np.float32)
    if scale.dtype.kind not in "iuf" or scale.shape not in {(), (1,), (width,)}:
        raise _wrong(path, "scale", scale, f"one number, or {width}")
    with np.errstate(over="ignore"):  # the samples become infinite and are refused
        return np.broadcast_to(scale.astype(np.float32), (width,))


def _one(
    path: Path, content: dict[str, Array], name: str, kinds: str, expected: str
) -> Array | None:
    """Return an array of one element and one of the dtype kinds, or None."""
    array = content.get(name)
    if array is not None and (array.size != 1 or array.dtype.kind not in kinds):
        raise _wrong(path, name, array, expected)
    return array


def _times(path: Path, t_ns: Array | None, rows: int) -> Int64 | None:
    if t_ns is None:
        return None
    if t_ns.dtype.kind not in "iu" or t_ns.shape != (rows,):
        raise _wrong(path, "t_ns", t_ns, f"int64 of shape ({rows},)")
    return t_ns.astype(np.int64, copy=False)
