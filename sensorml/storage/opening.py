"""Opening of a journal for writing: its file, its settings and its tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sensorml.errors import StoreError
from sensorml.files import shown, why_special
from sensorml.storage import checksum
from sensorml.storage.corruption import is_damage
from sensorml.storage.disk_faults import fault
from sensorml.storage.tables import (
    APPLICATION_ID,
    VERSION,
    columns_of,
    upgrade_statements,
)


def open_journal(path: Path) -> sqlite3.Connection:
    """Open or create the file, and upgrade one that an older version wrote.

    Raises:
        StoreError: the file cannot be written, or the file is of another
            program or of a newer version.
        sqlite3.DatabaseError: the file is damaged.
    """
    if why := why_special(path):
        raise StoreError(f"{shown(path)}: {why}: set [store] path to a file")
    db = None
    opened = False
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _check_origin(path, db)
        checksum.register(db)
        _prepare(db)
        opened = True
    except sqlite3.DatabaseError as err:
        if is_damage(err):
            raise
        raise fault(path, err) from err
    finally:
        if db is not None and not opened:
            db.close()
    return db


def make_folder(path: Path) -> None:
    """Make the folder of a journal.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as err:
        raise StoreError(
            f"{shown(path.parent)}: is a file and no folder: move it away, or set "
            "[store] path"
        ) from err
    except NotADirectoryError as err:
        raise StoreError(
            f"{shown(path.parent)}: cannot be created ({err.strerror}): "
            "create it, or set [store] path"
        ) from err
    except OSError as err:
        raise fault(path, err) from err


def _check_origin(path: Path, db: sqlite3.Connection) -> None:
    """Refuse a file that is not a journal, or one of a newer version."""
    [application] = db.execute("PRAGMA application_id").fetchone()
    [version] = db.execute("PRAGMA user_version").fetchone()
    [tables] = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreError(
            f"{path}: is the database of another program: set [store] path"
        )
    if version > VERSION:
        raise StoreError(
            f"{path}: was written by a newer sensorml (version {version}, "
            f"this one reads up to {VERSION}): upgrade, or set [store] path"
        )


def _prepare(db: sqlite3.Connection) -> None:
    """Choose the settings, and create what is missing."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA journal_size_limit = 16000000")
    [version] = db.execute("PRAGMA user_version").fetchone()
    db.execute("BEGIN IMMEDIATE")
    for statement in upgrade_statements(columns_of(db)):
        db.execute(statement)
    if version != VERSION:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
