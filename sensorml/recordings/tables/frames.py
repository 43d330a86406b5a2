"""`.parquet` and `.feather`: columns with names and types, by polars.

The roles of the columns are found as in a table of text, on the first rows. The types
of a file are no proof: logs are often converted with their times as text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from sensorml.errors import MissingExtraError, RecordingError
from sensorml.recordings.recording import (
    MAX_TIME_NS,
    MAX_VALUES,
    Labels,
    Recording,
)
from sensorml.recordings.segments import Int64
from sensorml.recordings.tables.columns import Columns, ask_where, find_columns
from sensorml.recordings.tables.fields import Kind, kind_of
from sensorml.recordings.tables.first_rows import Asked
from sensorml.recordings.tables.layout import Layout
from sensorml.recordings.tables.time_columns import Clock
from sensorml.recordings.tables.time_texts import Flags, parse, parse_numbers
from sensorml.recordings.tables.timeline import Jumps, placed, timeline

if TYPE_CHECKING:
    from polars import DataFrame, DataType, LazyFrame, Series

_HEAD_ROWS: Final = 4000
_MOST_WRONG: Final = 0.01


def labels(path: Path, asked: Asked) -> Labels:
    """Read the columns from the first rows.

    Raises:
        RecordingError: it names the file, what is wrong and what to do.
        MissingExtraError: polars is not installed.
    """
    with _reading(path):
        columns = _columns(path, _opened(path).head(_HEAD_ROWS).collect(), asked)
    return Labels(columns.names, columns.unit)


def read(path: Path, asked: Asked) -> Recording:
    """Read a file of typed columns.

    Raises:
        RecordingError: it names the file, what is wrong and what to do.
        MissingExtraError: polars is not installed.
    """
    with _reading(path):
        import polars as pl

        lazy = _opened(path)
        head = lazy.head(_HEAD_ROWS).collect()
        rows = int(lazy.select(pl.len()).collect().item())
        columns = _columns(path, head, asked)
        if rows * len(columns.channels) > MAX_VALUES:
            raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
        used = _used(columns)
        frame = lazy.select([head.columns[i] for i in used]).collect()
    return _recording(path, asked, columns, dict(zip(used, frame, strict=True)))


def _columns(path: Path, head: DataFrame, asked: Asked) -> Columns:
    return find_columns(path, _layout(head), _texts(head), asked)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what polars raises into an error with the name of the file."""
    try:
        import polars as pl
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            f"{path.suffix} needs polars: install it with pip install "
            "'sensorml[tables]'"
        ) from err
    try:
        yield
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as err:
        raise _damaged(path, err) from err


def _opened(path: Path) -> LazyFrame:
    import polars as pl

    if path.suffix.lower() == ".parquet":
        return pl.scan_parquet(path, glob=False)
    return pl.scan_ipc(path, glob=False)


def _layout(head: DataFrame) -> Layout:
    """Return the layout that a table of text would have."""
    kinds = tuple(_kind(head[name]) for name in head.columns)
    width = head.width
    return Layout(
        separator="\t",
        decimal=".",
        skip=0,
        width=width,
        names=tuple(head.columns),
        header=True,
        units=(),
        kinds=kinds,
        quoted=False,
        padded=False,
        step_s=0.0,
    )


def _kind(column: Series) -> Kind:
    dtype = column.dtype
    if dtype.is_numeric() or dtype.is_(_boolean()):
        return Kind.NUMBER
    if dtype.is_temporal():
        return Kind.TIME
    counted = Counter(kind_of(text, ".") for text in map(str, column.drop_nulls()))
    return counted.most_common(1)[0][0] if counted else Kind.MISSING


def _boolean() -> DataType:
    import polars as pl

    return pl.Boolean()


def _texts(head: DataFrame) -> list[list[str]]:
    """Return the first rows as the fields of a text file."""
    fields = [[_text(value) for value in head[name]] for name in head.columns]
    return [list(row) for row in zip(*fields, strict=True)]


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _used(columns: Columns) -> list[int]:
    clock = columns.clock
    times = () if clock is None else (
        *clock.texts,
        *(i for i, _, _ in clock.numbers),
        *(i for i, _ in clock.exact),
    )  # fmt: skip
    return list(dict.fromkeys((*columns.channels, *times, *columns.keys)))


def _recording(
    path: Path, asked: Asked, columns: Columns, data: dict[int, Series]
) -> Recording:
    rows = len(next(iter(data.values())))
    keep = _asked_rows(path, columns, data, rows)
    chosen = int(np.count_nonzero(keep))
    samples = np.empty((rows, len(columns.channels)), np.float32)
    for place, (i, scale) in enumerate(
        zip(columns.channels, columns.factors, strict=True)
    ):
        samples[:, place] = _numbers(data[i]) * scale
    keep &= np.isfinite(samples).all(axis=1)
    t_ns: Int64 | None = None
    if columns.clock is not None:
        t_ns, timed = _times(columns.clock, data, rows)
        keep &= timed
    wrong = chosen - int(np.count_nonzero(keep))
    if wrong > _MOST_WRONG * chosen or chosen == wrong:
        raise RecordingError(
            f"{path}: {wrong} of {chosen} rows lack a number or a time: remove them, "
            "or choose other columns with --channels"
        )
    places = np.flatnonzero(keep)
    if wrong or chosen < rows:
        samples = samples[keep]
        t_ns = None if t_ns is None else t_ns[keep]
    jumps = Jumps()
    jumps.add(places)
    line = timeline(
        path,
        t_ns,
        jumps.found,
        rate_hz=asked.rate_hz,
        step_s=0.0,
        dated=columns.clock is None or columns.clock.dated,
        exact=columns.exact,
        hint="",
    )
    notes = (*_notes(columns, line.rate_hz, wrong), *line.notes)
    return placed(path, samples, columns, line, notes)


def _numbers(column: Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a column as float64, NaN where it holds no number."""
    import polars as pl

    return column.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)


def _asked_rows(
    path: Path, columns: Columns, data: dict[int, Series], rows: int
) -> Flags:
    """Return which rows `--where` asks for.

    Raises:
        RecordingError: a column of keys changes, and no value of it is chosen.
    """
    keep = np.ones(rows, np.bool_)
    for i in columns.keys:
        column = data[i].cast(str, strict=False).fill_null("")
        if i in columns.where:
            keep &= (column == columns.where[i]).to_numpy()
            if not keep.any():
                raise RecordingError(
                    f"{path}: {column.name} is {columns.where[i]!r} in none of its "
                    f"{rows} rows: correct --where"
                )
        elif column.n_unique() > 1:
            raise ask_where(path, column.name, sorted(column.unique().to_list()))
    return keep


def _times(clock: Clock, data: dict[int, Series], rows: int) -> tuple[Int64, Flags]:
    """Return the time of each row in ns, and where it has one."""
    ns = np.zeros(rows, np.int64)
    good = np.ones(rows, np.bool_)
    for i, unit_ns, zero in (*clock.numbers, *((i, u, 0) for i, u in clock.exact)):
        if data[i].dtype.is_integer():
            values = data[i].fill_null(0).to_numpy().astype(np.int64) - zero
            inside = np.abs(values) <= MAX_TIME_NS // unit_ns
            inside &= data[i].is_not_null().to_numpy()
            ns += np.where(inside, values, 0) * unit_ns
        elif data[i].dtype.is_float():
            part = (_numbers(data[i]) - zero) * unit_ns
            inside = np.abs(part) <= MAX_TIME_NS
            ns += np.round(np.where(inside, part, 0.0)).astype(np.int64)
        else:
            stamps = parse_numbers(_bytes(data[i]), unit_ns)
            ns += stamps.ns - zero * unit_ns
            inside = stamps.good
        good &= inside
    for i in clock.texts:
        part_ns, inside = _dated(clock, data[i])
        ns += part_ns
        good &= inside
    return ns, good


def _dated(clock: Clock, column: Series) -> tuple[Int64, Flags]:
    import polars as pl

    if not column.dtype.is_temporal():
        stamps = parse(_bytes(column), clock.order)
        return stamps.ns, stamps.good
    there = column.is_not_null().to_numpy()
    if column.dtype in {pl.Time, pl.Duration}:
        ns = column.cast(pl.Duration("ns"), strict=False).to_physical()
    else:
        ns = column.cast(pl.Datetime("ns"), strict=False).to_physical()
    return ns.fill_null(0).to_numpy().astype(np.int64), there


def _bytes(column: Series) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    texts = column.cast(str, strict=False).fill_null("").to_list()
    return np.array([text[:40].encode("latin-1", "replace") for text in texts], "S40")


def _notes(columns: Columns, rate_hz: float, wrong: int) -> Sequence[str]:
    clock, count = columns.clock, len(columns.channels)
    words = [
        f"time = {clock.description}" if clock else "no time column",
        f"{count} channel{'s' if count > 1 else ''}",
        f"{rate_hz:.6g} Hz",
        *([columns.unit] if columns.unit else []),
    ]
    notes = [f"read: {', '.join(words)}"]
    if columns.left_out:
        notes.append(f"left out: {', '.join(columns.left_out)}")
    if wrong:
        notes.append(f"rows left out: {wrong} without a number or a time")
    return notes


def _damaged(path: Path, err: BaseException) -> RecordingError:
    message = (str(err) or type(err).__name__).splitlines()[0][:200]
    return RecordingError(
        f"{path}: is not a complete {path.suffix} file ({message}): copy or save it "
        "again"
    )
