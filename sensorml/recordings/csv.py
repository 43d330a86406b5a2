"""`.csv` and `.csv.gz`: a header line, then numbers with a decimal point.

Columns are separated by commas or semicolons. The first column called t, time,
timestamp or datetime, alone or with its unit (`timestamp_ms`), holds the times of
the rows; `timestamps` describes how it is read.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import numpy as np

from sensorml.errors import RecordingError
from sensorml.recordings.recording import MAX_VALUES, Recording, chosen, sound
from sensorml.recordings.timestamps import Stamps, in_ns, is_time
from sensorml.types import Float32

MAX_COLUMNS: Final = 4096
_LINE = 64 * MAX_COLUMNS  # characters; parts of a longer line have too few fields
_PEEK = 64  # rows from which columns of numbers are recognised
_CHUNK_ROWS = 16_384  # rows that are held as text at once,
_CHUNK_FIELDS = 1 << 20  # and fields


class _Layout(NamedTuple):
    """The columns of a file that hold the times and the samples."""

    names: list[str]
    delimiter: str
    columns: list[int]
    time: int | None
    iso: bool


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read the columns `channels`, or all columns of numbers except times.

    Raises:
        RecordingError: it is not such a table, or a field is not a number.
    """
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            names, delimiter = _header(path, file)
            lines = _lines(path, file, delimiter, len(names))
            peek = list(islice(lines, _PEEK))
            layout = _layout(path, names, delimiter, peek, channels)
            stamps, samples = _table(path, layout, chain(peek, lines))
    except UnicodeDecodeError as err:
        raise RecordingError(f"{path}: is not UTF-8 text: save it as UTF-8") from err
    except (OSError, EOFError, zlib.error, csv.Error) as err:
        raise RecordingError(
            f"{path}: cannot be read to its end ({err}): copy it again"
        ) from err
    return sound(
        path,
        samples,
        channels=[names[column] for column in layout.columns],
        unit=unit,
        rate_hz=rate_hz,
        t_ns=None if layout.time is None else in_ns(path, names[layout.time], stamps),
    )


def _header(path: Path, file: TextIO) -> tuple[list[str], str]:
    """Read the names of the columns; return them and their delimiter."""
    line = file.readline(_LINE)
    if not line.strip():
        what = "is empty" if not line else "starts with an empty line"
        raise RecordingError(f"{path}: {what}: put the column names in the first line")
    delimiter = max(",;", key=line.count)
    if line.count(delimiter) >= MAX_COLUMNS or len(line) == _LINE:
        raise RecordingError(
            f"{path}: has more than {MAX_COLUMNS} columns: write one row per line, "
            "with only the channels in it"
        )
    names = [name.strip() for name in _split([line], delimiter)[0]]
    if all(_is_number(name) for name in names):
        raise RecordingError(
            f"{path}: starts with numbers: put the column names in the first line"
        )
    return names, delimiter


def _lines(path: Path, file: TextIO, delimiter: str, columns: int) -> Iterator[str]:
    """Yield the lines of all rows, each with as many fields as the header."""
    row = 0
    for line in iter(partial(file.readline, _LINE), ""):
        if line.isspace():
            continue
        row += 1
        if '"' in line:  # it may hold the delimiter
            fields = len(_split([line], delimiter)[0])
        else:
            fields = line.count(delimiter) + 1
        if fields != columns:
            raise RecordingError(
                f"{path}: row {row} has {fields} fields, the header has {columns}: "
                "correct or remove the row"
            )
        yield line


def _layout(
    path: Path,
    names: list[str],
    delimiter: str,
    peek: list[str],
    channels: Sequence[str] | None,
) -> _Layout:
    if not peek:
        raise RecordingError(
            f"{path}: has a header and no rows: make the recording again"
        )
    rows = _split(peek, delimiter)
    # A column of numbers can start with a wrong field, which is then reported.
    numbers = [
        2 * sum(_is_number(row[i]) for row in rows) >= len(rows)
        for i in range(len(names))
    ]
    times = [i for i, name in enumerate(names) if is_time(name)]
    if channels is not None:
        columns = chosen(path, names, channels)
    else:
        columns = [
            i for i, name in enumerate(names) if numbers[i] and name and i not in times
        ]
        chosen(path, names, [names[i] for i in columns])  # refuses equal names
    if not columns:
        raise RecordingError(
            f"{path}: has no column of numbers except the times: separate columns with "
            "commas or semicolons, and write numbers with a decimal point"
        )
    time = times[0] if times else None
    return _Layout(
        names, delimiter, columns, time, iso=time is not None and not numbers[time]
    )


def _table(path: Path, layout: _Layout, lines: Iterable[str]) -> tuple[Stamps, Float32]:
    """Read the times (n,), zeros if there are none, and the samples."""
    width = len(layout.columns)
    usecols = (
        [*layout.columns] if layout.time is None else [layout.time, *layout.columns]
    )
    stamp = [] if layout.time is None else [("t", "S40" if layout.iso else "f8")]
    dtype = np.dtype([*stamp, ("samples", "f4", (width,))])
    stamps: list[Stamps] = []
    samples: list[Float32] = []
    rows = 0
    lines = iter(lines)
    chunk_rows = max(1, min(_CHUNK_ROWS, _CHUNK_FIELDS // len(layout.names)))
    while chunk := list(islice(lines, chunk_rows)):
        try:
            part = np.loadtxt(
                chunk,
                dtype,
                comments=None,
                delimiter=layout.delimiter,
                usecols=usecols,
                quotechar='"',
                ndmin=1,
            )
        except ValueError as err:
            raise _not_a_number(path, layout, chunk, rows, str(err)) from err
        rows += len(part)
        if rows * width > MAX_VALUES:
            raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
        samples.append(part["samples"].copy())
        stamps.append(part["t"].copy() if stamp else np.zeros(len(part)))
    return np.concatenate(stamps), np.concatenate(samples)


def _not_a_number(
    path: Path, layout: _Layout, chunk: list[str], before: int, message: str
) -> RecordingError:
    """Return an error that names the field that NumPy could not read."""
    columns = layout.columns if layout.iso else [*layout.columns, layout.time]
    for row, fields in enumerate(_split(chunk, layout.delimiter), before + 1):
        for column in columns:
            if column is not None and not _is_number(fields[column]):
                return RecordingError(
                    f"{path}: row {row} has {fields[column][:40]!r} in column "
                    f"{layout.names[column]!r}, which is not a number: correct or "
                    "remove the row, or choose other columns with --channels"
                )
    return RecordingError(
        f"{path}: cannot be read after row {before} ({message}): correct it there"
    )


def _split(lines: list[str], delimiter: str) -> list[list[str]]:
    """Split each line at the delimiters that are not in quotes."""
    if any('"' in line for line in lines):
        return [next(csv.reader([line], delimiter=delimiter), [""]) for line in lines]
    return [line.rstrip("\r\n").split(delimiter) for line in lines]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
