"""Write the journal as CSV or JSON lines, also while the service runs."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import isfinite
from pathlib import Path
from typing import Final, TextIO

from sensorml.commands._arguments import file
from sensorml.files import replacing_text
from sensorml.interfaces import Row
from sensorml.storage.reader import Reader, row_id
from sensorml.storage.tables import COLUMNS, KINDS

_CHUNK_ROWS: Final = 5000
_PLURALS: Final = {"boxes" if kind == "box" else f"{kind}s": kind for kind in KINDS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=file, required=True, metavar="FILE", help="the journal"
    )
    parser.add_argument(
        "--kind",
        type=_kinds,
        default=("prediction",),
        metavar="KIND[,KIND]",
        help=f"any of {', '.join(_PLURALS)} (default: predictions)",
    )
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: standard output"
    )


def run(args: argparse.Namespace) -> int:
    write = _write_csv if args.format == "csv" else _write_jsonl
    with closing(Reader.open(args.store)) as reader:
        if args.out is None:
            write(reader, args.kind, sys.stdout)
            sys.stdout.flush()
        else:
            with replacing_text(args.out) as file:
                write(reader, args.kind, file)
    return 0


def _kinds(text: str) -> tuple[str, ...]:
    kinds = [_PLURALS.get(word.strip(), word.strip()) for word in text.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(
                f"there is no kind {kind!r}: use any of {', '.join(_PLURALS)}"
            )
    return tuple(dict.fromkeys(kinds))


def _write_csv(reader: Reader, kinds: Sequence[str], out: TextIO) -> None:
    """Write one table; for several kinds it has a column `kind` and all columns."""
    writer = csv.writer(out, lineterminator="\n")
    if len(kinds) == 1:
        writer.writerow(["id", *COLUMNS[kinds[0]]])
        for id_, row in _rows(reader, kinds[0]):
            writer.writerow((id_, *row))
        return
    columns = list(dict.fromkeys(name for kind in kinds for name in _names(kind)))
    writer.writerow(["kind", "id", *columns])
    for kind in kinds:
        names = _names(kind)
        places = [names.index(name) if name in names else None for name in columns]
        for id_, row in _rows(reader, kind):
            cells = ["" if place is None else row[place] for place in places]
            writer.writerow([kind, id_, *cells])


def _write_jsonl(reader: Reader, kinds: Sequence[str], out: TextIO) -> None:
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    for kind in kinds:
        names = _names(kind)
        for id_, row in _rows(reader, kind):
            values = dict(zip(names, map(_finite, row), strict=True))
            out.write(encode({"kind": kind, "id": id_} | values) + "\n")


def _names(kind: str) -> list[str]:
    """Return the columns' names beside a column `kind` with the name of the table.

    >>> _names("event")[:3]
    ['time_ns', 'event', 'subject']
    """
    return ["event" if name == "kind" else name for name in COLUMNS[kind]]


def _finite(value: object) -> object:
    """Return a value that JSON can hold, which has no infinity and no NaN."""
    return None if isinstance(value, float) and not isfinite(value) else value


def _rows(reader: Reader, kind: str) -> Iterator[tuple[int, Row]]:
    """Yield all rows of a kind, each after its id."""
    after_id = 0
    while rows := reader.rows(kind, after_id, _CHUNK_ROWS):
        yield from ((row_id(row), row[:-1]) for row in rows)
        after_id = row_id(rows[-1])
