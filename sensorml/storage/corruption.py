"""Detection of a damaged journal, and its renaming."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sensorml.errors import StoreError
from sensorml.storage.disk_faults import sqlite_code

_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DamageError(StoreError):
    """The journal could not be read, because it is damaged."""


def is_damage(err: sqlite3.Error) -> bool:
    """Return whether the file is damaged, and not the disk full or the file locked."""
    return sqlite_code(err) in _CODES


def verdict_on(db: sqlite3.Connection) -> str:
    """Return "ok", or the first damage that SQLite finds."""
    try:
        [verdict] = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as err:
        if not is_damage(err):
            raise
        return str(err)
    return " ".join(str(verdict).split())


def beside(path: Path, suffix: str) -> Path:
    """Return the path with a suffix added to its name."""
    return path.with_name(path.name + suffix)


def put_aside(path: Path, damage: str) -> Path:
    """Rename a damaged file and its WAL files; return the new path.

    Raises:
        StoreError: the folder cannot be written.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = beside(path, f".corrupt-{stamp}")
    try:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                beside(path, suffix).rename(beside(aside, suffix))
    except OSError as err:
        raise StoreError(
            f"{path}: is damaged ({damage}) and cannot be put aside "
            f"({err.strerror}): move it away"
        ) from err
    return aside
