"""The writer of `.parquet`: a column of times in ns, UTC, and one for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from sensorml.recordings.content import Content
from sensorml.recordings.tables.columns import OWN_TIME


def write(file: BinaryIO, content: Content) -> Sequence[str]:
    """Let polars stream the rows."""
    names = content.columns()
    value = pl.Int16 if content.counts else pl.Float32

    def frames(
        _columns: list[str] | None,
        _predicate: pl.Expr | None,
        _rows: int | None,
        _batch: int | None,
    ) -> Iterator[pl.DataFrame]:
        for samples, t_ns in content.chunks():
            columns = {OWN_TIME: pl.Series(t_ns)}
            for name, column in zip(names, samples.T, strict=True):
                columns[name] = pl.Series(column, dtype=value)
            yield pl.DataFrame(columns)

    schema = {OWN_TIME: pl.Int64, **dict.fromkeys(names, value)}
    register_io_source(frames, schema=schema).sink_parquet(file)
    return ()
