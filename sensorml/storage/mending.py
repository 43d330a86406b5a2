"""Repair and shrinking of a journal that no service writes."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from sensorml.errors import StoreError
from sensorml.files import shown
from sensorml.storage.checking import Findings
from sensorml.storage.corruption import beside, is_damage
from sensorml.storage.disk_faults import fault, size_of
from sensorml.storage.journal import Journal
from sensorml.storage.opening import open_journal
from sensorml.storage.ownership import Ownership

_NO_LIMIT_MB: Final = 1e9
_INCREMENTAL: Final = 2


def repair(path: Path, findings: Findings) -> list[str]:
    """Save the good rows into a new file; return what was done.

    Raises:
        StoreError: a service writes the journal, or the new file cannot be written.
    """
    with Ownership(path) as owner:
        journal = Journal.open(path, max_mb=_NO_LIMIT_MB, ownership=owner)
        with closing(journal):
            journal.repair(str(findings))
            return journal.incidents


def vacuum(path: Path) -> tuple[int, int]:
    """Write the journal anew without its free pages; return its bytes before and after.

    The new file replaces the old one when it is complete.

    Raises:
        StoreError: a service or another program uses the journal, it is damaged, or
            there is no space for the new file.
    """
    new = beside(path, ".vacuum")
    with Ownership(path):
        before = size_of(path) + size_of(beside(path, "-wal"))
        free = shutil.disk_usage(path.parent).free
        if free < before:
            raise StoreError(
                f"{shown(path)}: {before / 1e6:,.0f} MB are needed for a new file, and "
                f"{free / 1e6:,.0f} MB are free: free space on the disk"
            )
        try:
            new.unlink(missing_ok=True)
            _write_anew(path, new)
            if size_of(beside(path, "-wal")):
                raise StoreError(
                    f"{shown(path)}: another program reads it: end that program"
                )
            new.replace(path)
        except (OSError, sqlite3.DatabaseError) as err:
            new.unlink(missing_ok=True)
            if isinstance(err, StoreError):
                raise
            if isinstance(err, sqlite3.DatabaseError) and is_damage(err):
                raise StoreError(
                    f"{shown(path)}: is damaged ({err}): sensorml store --repair"
                ) from err
            raise fault(path, err) from err
    return before, size_of(path)


def _write_anew(path: Path, new: Path) -> None:
    with closing(open_journal(path)) as db:
        db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        db.execute("VACUUM INTO ?", (str(new),))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    new.chmod(path.stat().st_mode & 0o777)
    with new.open("rb+") as file:
        os.fsync(file.fileno())
