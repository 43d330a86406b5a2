"""The checksum of a row: CRC-32 of its kind, its values and its id, as they are read.

Every row has its own, in the column `crc`: a flipped bit costs one row and not its
commit, and thinning or deleting other rows needs no bookkeeping. Rows of a journal
before version 4 have none (NULL), and are believed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import repeat
from typing import Final, cast
from zlib import crc32

import msgspec

from sensorml.interfaces import Row
from sensorml.storage.tables import COLUMNS, INSTANTS, KINDS

_encode: Final = msgspec.msgpack.Encoder().encode
_SEEDS: Final = {kind: crc32(kind.encode()) for kind in KINDS}
_SIGNED: Final = 1 << 31
"""Subtracted, because SQLite stores -2^31 ≤ n < 2^31 in four bytes, others in six."""


def checksums(kind: str, rows: Sequence[Row]) -> list[int]:
    """Return the checksum of every row; a row ends with its id.

    Raises:
        UnicodeEncodeError: the text of a row is not UTF-8.
    """
    sums = map(crc32, map(_encode, rows), repeat(_SEEDS[kind]))
    return [value - _SIGNED for value in sums]


def is_intact(kind: str, row: Row, crc: object) -> bool:
    """Return whether a row, which ends with its id, is as it was written."""
    try:
        [value] = checksums(kind, [row])
    except UnicodeEncodeError:
        return False
    return crc is None or crc == value


def damaged_ids(kind: str, rows: Sequence[Row], crcs: Sequence[object]) -> set[int]:
    """Return the ids of the rows that differ from what was written."""
    try:
        if checksums(kind, rows) == crcs:
            return set()
    except UnicodeEncodeError:
        pass
    pairs = zip(rows, crcs, strict=True)
    return {cast("int", row[-1]) for row, crc in pairs if not is_intact(kind, row, crc)}


def register(db: sqlite3.Connection) -> None:
    """Let a connection run `shift_instants`."""
    db.create_function("shifted_crc", -1, _shifted_crc, deterministic=True)


def shift_instants(kind: str) -> str:
    """Return the SET clause that moves the instants of rows by `:delta` ns.

    >>> shift_instants("event")[:36]
    'SET time_ns = time_ns + :delta, crc '
    """
    shifts = [f"{name} = {name} + :delta" for name in INSTANTS[kind]]
    values = ", ".join(COLUMNS[kind])
    crc = f"crc = shifted_crc('{kind}', :delta, crc, {values}, id)"
    return f"SET {', '.join(shifts)}, {crc}"


def _shifted_crc(kind: str, delta: int, crc: int | None, *row: object) -> int | None:
    """Return the checksum of a moved row; a damaged row stays recognisable."""
    if crc is None or not is_intact(kind, row, crc):
        return crc
    instants = len(INSTANTS[kind])
    moved = [value + delta for value in row[:instants] if isinstance(value, int)]
    [shifted] = checksums(kind, [(*moved, *row[instants:])])
    return shifted
