"""Recordings: files of samples, read piece by piece where they are long.

`.npz` and `.wav`; tables of text (`.csv .tsv .txt .dat .log .lvm`, each also `.gz`), of
Excel and of columns (`.parquet .feather`); `.mat`, `.tdms`, `.uff`, and Edge Impulse's
`.json` and `.cbor`. A file that cannot be used raises `RecordingError` with its name,
what is wrong and what to do; the library of an extra that is not installed raises
`MissingExtraError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import ArrayLike

from sensorml.errors import RecordingError
from sensorml.files import shown, why_special
from sensorml.recordings.formats import FILES, LABELLED, TABLES
from sensorml.recordings.npz import write_npz
from sensorml.recordings.recording import (
    FULL_SCALE,
    Labels,
    Recording,
    TableOptions,
    numbered,
    sound,
)
from sensorml.recordings.segments import Segment
from sensorml.recordings.tables.units import factor

__all__ = [
    "Labels",
    "Recording",
    "Segment",
    "TableOptions",
    "from_array",
    "labels",
    "read",
    "write_npz",
]


def from_array(
    samples: ArrayLike,
    *,
    rate_hz: float,
    channels: Sequence[str] | None = None,
    unit: str = "",
    start_ns: int = 0,
) -> Recording:
    """Return samples in memory as a recording.

    Args:
        samples: shape (n, channels).
        rate_hz: the sample rate.
        channels: one name for each column; ch1, ch2, … when None.
        unit: of all channels.
        start_ns: when row 0 was taken, in UTC.

    Raises:
        RecordingError: a sample is not finite, the names do not fit the columns, or the
            rate is impossible.

    >>> recording = from_array([[0.1], [0.2], [0.1]], rate_hz=2.0, unit="g")
    >>> recording.samples.shape, recording.channels
    ((3, 1), ('ch1',))
    """
    rows = np.asarray(samples, np.float32)
    path = Path("samples")
    if rows.ndim != 2:
        raise RecordingError(
            f"{path}: have the shape {rows.shape}: give an array (n, channels)"
        )
    names = numbered(rows.shape[1]) if channels is None else channels
    if len(names) != rows.shape[1]:
        raise RecordingError(
            f"{path}: have {rows.shape[1]} columns and {len(names)} names: give one "
            "name for each column"
        )
    return sound(
        path, rows, channels=names, unit=unit, rate_hz=rate_hz, start_ns=start_ns
    )


def read(
    path: Path | str,
    *,
    channels: Sequence[str] | None = None,
    rate_hz: float | None = None,
    unit: str = "",
    table: TableOptions | None = None,
) -> Recording:
    r"""Read a recording.

    Args:
        path: its ending decides the format.
        channels: the columns to read, in this order; all when None (of a
            table, all numbers that are neither clocks nor counters).
        rate_hz: the sample rate, where the file has none.
        unit: of the samples, where the file has none; else they are converted.
        table: the time column of a table, its unit, and the rows to take.

    Raises:
        RecordingError: it names the file, what is wrong and what to do.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "motor.csv")
    ...     _ = path.write_text("t,x,y\n0.0,1,5\n0.5,2,5\n1.0,3,5\n")
    ...     recording = read(path)
    >>> recording.channels, recording.rate_hz
    (('x', 'y'), 2.0)
    """
    path = Path(path)
    name = _module(path)
    if name in TABLES.values():
        from sensorml.recordings.tables.first_rows import Asked

        asked = Asked(channels, rate_hz, unit, table or TableOptions())
        module = import_module(f"sensorml.recordings.tables.{name}")
        read_table: Callable[[Path, Asked], Recording] = module.read
        return _in_unit(read_table(path, asked), unit)
    if table is not None and table != TableOptions():
        raise _no_table(path)
    module = import_module(f"sensorml.recordings.{name}")
    read_file: Callable[..., Recording] = module.read
    recording = read_file(path, channels=channels, rate_hz=rate_hz, unit=unit)
    return _in_unit(recording, unit)


def labels(
    path: Path | str,
    *,
    channels: Sequence[str] | None = None,
    rate_hz: float | None = None,
    unit: str = "",
    table: TableOptions | None = None,
) -> Labels:
    """Return the channels and the unit that `read` would return.

    No more than the beginning of the file is read if its format has them there.

    Raises:
        RecordingError: as `read`; but rows that are not looked at may be wrong.
    """
    path = Path(path)
    name = _module(path)
    if name in TABLES.values():
        from sensorml.recordings.tables.first_rows import Asked

        asked = Asked(channels, rate_hz, unit, table or TableOptions())
        module = import_module(f"sensorml.recordings.tables.{name}")
        of_table: Callable[[Path, Asked], Labels] = module.labels
        found = of_table(path, asked)
    elif table is not None and table != TableOptions():
        raise _no_table(path)
    elif name in LABELLED:
        module = import_module(f"sensorml.recordings.{name}")
        of_file: Callable[..., Labels] = module.labels
        found = of_file(path, channels=channels, rate_hz=rate_hz, unit=unit)
    else:
        whole = read(path, channels=channels, rate_hz=rate_hz, unit=unit)
        found = Labels(whole.channels, whole.unit)
    return found._replace(unit=_common_unit(path, found.unit, unit))


def _no_table(path: Path) -> RecordingError:
    return RecordingError(
        f"{path}: is no table: leave out --time, --time-unit and --where"
    )


def _module(path: Path) -> str:
    """Return the name of the module that reads a file."""
    # Opening a pipe could block. Path.is_file raises without permission.
    if not os.path.isfile(path):  # noqa: PTH113
        what = why_special(path) or "there is no such file"
        raise RecordingError(f"{shown(path)}: {what}: check the path")
    if not os.access(path, os.R_OK):
        what = "cannot be read (Permission denied): check its permissions"
        raise RecordingError(f"{path}: {what}")
    ending = PurePath(path.name.lower().removesuffix(".gz")).suffix
    if ending in TABLES:
        return TABLES[ending]
    if ending not in FILES or path.suffix.lower() == ".gz":
        raise RecordingError(
            f"{path}: has an unknown format: convert it to .npz, .csv, .csv.gz or .wav"
        )
    return FILES[ending]


def _in_unit(recording: Recording, unit: str) -> Recording:
    """Convert a recording to the unit that was asked for.

    Raises:
        RecordingError: its own is another quantity.
    """
    if _common_unit(recording.path, recording.unit, unit) == recording.unit:
        return recording
    if not recording.unit:
        return replace(recording, unit=unit)
    if recording.unit == FULL_SCALE:
        note = f"full scale is taken as 1 {unit}"
        return replace(recording, unit=unit, notes=(*recording.notes, note))
    return recording.converted(unit)


def _common_unit(path: Path, own: str, asked: str) -> str:
    """Return the unit of a file's samples after their conversion.

    Raises:
        RecordingError: its own is another quantity than the one that was asked for.
    """
    if not asked or own in {asked, "", FULL_SCALE} or factor(own, asked) is not None:
        return asked or own
    raise RecordingError(
        f"{path}: is in {own}, and {asked} was asked for: leave out --unit, or choose "
        "other channels"
    )
