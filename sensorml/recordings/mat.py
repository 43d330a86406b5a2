"""`.mat`: MATLAB's variables, up to v7 by SciPy and v7.3 (HDF5) by h5py.

Structures are taken apart: the field `gs` of `bearing` is the array "bearing.gs".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sensorml.errors import MissingExtraError, RecordingError
from sensorml.recordings.arrays import Array, from_named
from sensorml.recordings.recording import MAX_VALUES, Recording

if TYPE_CHECKING:
    from h5py import Group

_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_MOST_DEPTH: Final = 8


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read the variables of a file as a recording.

    Raises:
        RecordingError: it is no such file, or `arrays.from_named` refuses it.
        MissingExtraError: the library for it is not installed.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    # MATLAB writes its own header of 512 bytes before that of HDF5.
    arrays = _new(path) if _HDF5 in (head[:8], head[512:520]) else _old(path)
    return from_named(path, dict(arrays), channels=channels, rate_hz=rate_hz, unit=unit)


def _old(path: Path) -> Iterator[tuple[str, Array]]:
    try:
        from scipy.io import loadmat, whosmat
        from scipy.io.matlab import MatReadError
    except ModuleNotFoundError as err:
        raise _missing("SciPy") from err
    # What SciPy raises for damaged bytes, by its own tests and by trial.
    broken = (MatReadError, ValueError, TypeError, OSError, EOFError, IndexError,
              KeyError, MemoryError, NotImplementedError, OverflowError)  # fmt: skip
    try:
        sizes = {name: math.prod(shape) for name, shape, _ in whosmat(path)}
        large = [name for name, size in sizes.items() if size > MAX_VALUES]
        variables = {} if large else loadmat(path, squeeze_me=True)
    except broken as err:
        raise _damaged(path, err) from err
    if large:
        raise _too_large(path, large[0])
    for name, value in variables.items():
        if not name.startswith("__"):
            yield from _parts(name, np.asarray(value), _MOST_DEPTH)


def _parts(name: str, value: Array, depth: int) -> Iterator[tuple[str, Array]]:
    """Yield a variable, or the fields of a structure."""
    if value.dtype.names and value.size == 1 and depth:
        for field in value.dtype.names:
            inner = np.asarray(value.item()[value.dtype.names.index(field)])
            yield from _parts(f"{name}.{field}", inner, depth - 1)
    elif value.dtype.kind in "iuf":
        yield name, value


def _new(path: Path) -> Iterator[tuple[str, Array]]:
    try:
        import h5py
    except ModuleNotFoundError as err:
        raise _missing("h5py") from err
    try:
        with h5py.File(path, "r") as file:
            yield from _datasets(path, file, "", _MOST_DEPTH)
    except (OSError, RuntimeError, ValueError, KeyError) as err:
        raise _damaged(path, err) from err


def _datasets(
    path: Path, group: Group, prefix: str, depth: int
) -> Iterator[tuple[str, Array]]:
    from h5py import Dataset, Group

    for name in group:
        if name.startswith("#"):  # MATLAB's own: #refs#, #subsystem#
            continue
        item = group[name]
        if isinstance(item, Group) and depth:
            yield from _datasets(path, item, f"{prefix}{name}.", depth - 1)
        elif isinstance(item, Dataset) and item.dtype.kind in "iuf":
            if item.size > MAX_VALUES:
                raise _too_large(path, name)
            # HDF5 has MATLAB's dimensions in reverse.
            yield f"{prefix}{name}", np.asarray(item[()]).T


def _too_large(path: Path, name: str) -> RecordingError:
    return RecordingError(f"{path}: {name} is larger than {MAX_VALUES} values: cut it")


def _missing(library: str) -> MissingExtraError:
    return MissingExtraError(
        f"this .mat needs {library}: install it with pip install 'sensorml[matlab]'"
    )


def _damaged(path: Path, err: Exception) -> RecordingError:
    message = (str(err) or type(err).__name__).splitlines()[0][:200]
    return RecordingError(
        f"{path}: is not a complete .mat ({message}): copy or save it again"
    )
