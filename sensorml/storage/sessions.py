"""The mark of a journal in use, which a kill or a power cut leaves behind."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from sensorml.storage.tables import INSTANTS


def note_opened(db: sqlite3.Connection) -> None:
    """Note that the journal is in use, in the caller's transaction."""
    note_closed(db)
    now_ns = int(datetime.now(UTC).timestamp()) * 10**9
    db.execute("INSERT INTO opened VALUES (?)", (now_ns,))


def note_closed(db: sqlite3.Connection) -> None:
    """Note that the journal is closed in order, in the caller's transaction."""
    db.execute("DELETE FROM opened")


def unclean_since(db: sqlite3.Connection) -> str:
    """Return since when nothing was written before an unclean end, in words.

    "" after an orderly end.
    """
    try:
        opened = [time_ns for (time_ns,) in db.execute("SELECT time_ns FROM opened")]
        if not opened:
            return ""
        times = [*opened, *(_newest_ns(db, kind) for kind in INSTANTS)]
    except sqlite3.DatabaseError:
        return ""  # damaged there, which the check of the file will report
    return (
        "the service was killed or the power failed; nothing was written from "
        f"{_utc(max(times))} to {_utc(int(datetime.now(UTC).timestamp()) * 10**9)}"
    )


def _newest_ns(db: sqlite3.Connection, kind: str) -> int:
    """Return the time of the last row of a kind; 0 if there is none."""
    sql = f"SELECT {INSTANTS[kind][-1]} FROM {kind} ORDER BY id DESC LIMIT 1"  # noqa: S608 - names from the row types
    row = db.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _utc(time_ns: int) -> str:
    try:
        moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
