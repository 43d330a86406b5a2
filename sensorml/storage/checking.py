"""The check of a whole journal, in short pieces beside its writer.

Each piece reads on a connection of its own and holds no snapshot of the file
afterwards, so that the WAL stays short. The structure of a table is one piece, which
ends early when the WAL grows meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.errors import StoreError
from sensorml.storage.corruption import DamageError, beside, is_damage
from sensorml.storage.reader import Reader, connect, row_id
from sensorml.storage.tables import KINDS

_PIECE_ROWS: Final = 2_000
_WAL_BYTES: Final = 24_000_000
_INSTRUCTIONS: Final = 100_000
"""Of SQLite's virtual machine, between two looks at the WAL and at the end."""
_NAMED: Final = 10


class Findings(NamedTuple):
    """The result of a check."""

    damage: str = ""
    """The first damage of the structure; "" if there is none."""
    wrong: tuple[tuple[str, int], ...] = ()
    """Kind and id of rows that differ from what was written."""
    rows: int = 0
    """The number of rows that were read."""

    def __str__(self) -> str:
        """Return what was found, for a message; "" if nothing.

        >>> str(Findings(wrong=(("event", 7), ("alarm", 2))))
        '2 rows are damaged and are not sent (event 7, alarm 2)'
        """
        if self.damage:
            return f"is damaged ({self.damage})"
        if not self.wrong:
            return ""
        named = ", ".join(f"{kind} {id_}" for kind, id_ in self.wrong[:_NAMED])
        more = " …" if len(self.wrong) > _NAMED else ""
        rows = "1 row is" if len(self.wrong) == 1 else f"{len(self.wrong)} rows are"
        sent = "is" if len(self.wrong) == 1 else "are"
        return f"{rows} damaged and {sent} not sent ({named}{more})"


def check(
    path: Path,
    *,
    pause: Callable[[], bool] = lambda: False,
    progress: Callable[[str, int], object] = lambda _kind, _rows: None,
) -> Findings:
    """Read the whole journal.

    Args:
        path: the journal.
        pause: called between pieces; returns whether to end early.
        progress: called with the kind and the number of rows of each piece.

    Raises:
        StoreError: it cannot be read, for another reason than damage.
    """
    rows = 0
    wrong: list[tuple[str, int]] = []
    try:
        with closing(Reader.open(path)) as reader:
            for kind in KINDS:
                if damage := _structure(path, kind, pause):
                    return Findings(damage)
                after_id = 0
                while found := reader.rows(kind, after_id, _PIECE_ROWS):
                    wrong += [(kind, i) for i in sorted(reader.damaged)]
                    if row_id(found[-1]) <= after_id:
                        return Findings(f"rows of {kind} are not in order")
                    after_id = row_id(found[-1])
                    rows += len(found)
                    progress(kind, len(found))
                    if pause():
                        return Findings("", tuple(wrong), rows)
    except DamageError as err:
        return Findings(str(err.__cause__))
    return Findings("", tuple(wrong), rows)


def _structure(path: Path, kind: str, ended: Callable[[], bool]) -> str:
    """Return the first damage in the pages of a table; "" if there is none."""
    wal = beside(path, "-wal")

    def is_enough() -> bool:
        return ended() or (wal.exists() and wal.stat().st_size > _WAL_BYTES)

    try:
        with closing(connect(path)) as db:
            db.set_progress_handler(is_enough, _INSTRUCTIONS)
            sql = f"PRAGMA quick_check('{kind}')"
            verdict = " ".join(str(db.execute(sql).fetchone()[0]).split())
    except sqlite3.DatabaseError as err:
        if is_damage(err):
            return str(err)
        if "interrupted" in str(err) or "no such table" in str(err):
            return ""
        raise StoreError(f"{path}: cannot be checked: {err}") from err
    return "" if verdict == "ok" else verdict
