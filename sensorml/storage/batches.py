"""The rows that a sink gets next, read from the journal.

Each kind is sent in order, from the sink's offset on. Only a long backlog of
predictions has a second place: the newest rows go before the backlog, so that a
dashboard shows the present soon after an outage, and the backlog follows, oldest
first, until it reaches the rows that were sent before it. The offset in the journal
is that of the backlog; after a restart the newest rows are sent once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.interfaces import Row
from sensorml.storage.reader import Reader, row_id
from sensorml.storage.retry_policy import Batch
from sensorml.storage.tables import KINDS

URGENT_FIRST: Final = (
    *("alarm", "event", "box", "sink", "prediction", "sensor", "timing", "feature"),
)
_NEWEST_FIRST: Final = "prediction"
_LONG_BACKLOG: Final = 3
"""Batches; a shorter backlog is sent in order."""


class Rows(NamedTuple):
    """Rows of one kind, and the way that they are sent."""

    kind: str
    rows: list[Row]
    newest: bool = False
    """They are ahead of the backlog."""
    damaged: bool = False
    """It is one row, which differs from what was written."""

    @property
    def batch(self) -> Batch:
        return Batch(
            self.kind, len(self.rows), row_id(self.rows[0]), row_id(self.rows[-1])
        )


@dataclass(slots=True)
class _Place:
    """The progress of one kind."""

    at: int
    """Rows up to this id are sent, and stored or suspected."""
    ahead_from: int = 0
    ahead_to: int = 0
    """Rows between these ids are sent ahead of the backlog; none where both are 0."""
    last_ahead: Row = ()
    """The last one of them, as it was sent."""


class Batches:
    """Reads the rows for one sink. Always called on its thread."""

    def __init__(self, sink: str, store: Path) -> None:
        self._sink = sink
        self._store = store
        self._reader: Reader | None = None
        self._places: dict[str, _Place] = {}
        self._in_order = False

    def next(self, kind: str, limit: int) -> Rows | None:
        """Return the next rows of a kind, at most `limit`; None if there are none.

        Raises:
            StoreError: the journal cannot be read now.
        """
        place = self._place(kind)
        if kind == _NEWEST_FIRST and (ahead := self._ahead(place, limit)):
            return ahead
        if place.at < self._opened().restoring(kind):
            return None  # older rows will follow, which must be sent before
        rows = self._opened().raw_rows(kind, place.at, limit)
        if place.ahead_to:
            rows = [row for row in rows if row_id(row) <= place.ahead_from]
            if not rows:
                place.at = self._joined(kind, place)
                return self.next(kind, limit)
        if not rows and kind == _NEWEST_FIRST:
            self._in_order = False
        return self._checked(Rows(kind, rows))

    def newest(self, kind: str) -> Rows | None:
        """Return the newest row of a kind; None if it was sent already."""
        reader = self._opened()
        rows = reader.raw_rows(kind, reader.last_id(kind) - 1, 1)
        if not rows or row_id(rows[0]) <= self._place(kind).at:
            return None
        found = self._checked(Rows(kind, rows))
        return None if found is None or found.damaged else found

    def backlog(self, kinds: Sequence[str] = KINDS) -> int:
        """Return the number of rows of these kinds that are not sent, by their ids."""
        reader = self._opened()
        waiting = 0
        for kind in kinds:
            place = self._place(kind)
            last = reader.last_id(kind)
            waiting += max(last - place.at, 0) - (place.ahead_to - place.ahead_from)
        return max(waiting, 0)

    def sent_to(self, rows: Rows, last_id: int) -> None:
        """Note that a kind is sent up to an id."""
        place = self._place(rows.kind)
        if rows.newest and last_id > place.ahead_from:
            place.ahead_to, place.last_ahead = last_id, rows.rows[-1]
        else:
            place.at = last_id

    def stored_to(self, rows: Rows, last_id: int) -> int:
        """Return the offset after rows up to an id of the backlog are stored.

        It is beyond the rows that were sent ahead, once the backlog has reached them.
        """
        place = self._place(rows.kind)
        if place.ahead_to and last_id >= place.ahead_from:
            last_id = place.at = self._joined(rows.kind, place)
        return last_id

    def send_in_order(self) -> None:
        """Send no rows ahead until there is no backlog."""
        self._in_order = True
        for place in self._places.values():
            place.ahead_from = place.ahead_to = 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _joined(self, kind: str, place: _Place) -> int:
        """Return the id after which to go on where the backlog meets the rows ahead.

        They are sent again if the clock was stepped meanwhile, because their times in
        the journal have moved with it.
        """
        now = self._opened().raw_rows(kind, place.ahead_to - 1, 1)
        same = now == [place.last_ahead] or not now
        end = place.ahead_to if same else place.ahead_from
        place.ahead_from = place.ahead_to = 0
        return end

    def _ahead(self, place: _Place, limit: int) -> Rows | None:
        reader = self._opened()
        if not place.ahead_to:
            last = reader.last_id(_NEWEST_FIRST)
            if self._in_order or last - place.at <= _LONG_BACKLOG * limit:
                return None
            place.ahead_from = place.ahead_to = last - limit
        rows = reader.raw_rows(_NEWEST_FIRST, place.ahead_to, limit)
        if not rows or reader.damaged:
            return None
        return Rows(_NEWEST_FIRST, rows, newest=True)

    def _checked(self, rows: Rows) -> Rows | None:
        """Return the rows before a damaged one, or this one alone."""
        damaged = self._opened().damaged
        if not damaged:
            return rows if rows.rows else None
        good = []
        for row in rows.rows:
            if row_id(row) in damaged:
                break
            good.append(row)
        if good:
            return rows._replace(rows=good)
        return rows._replace(rows=rows.rows[:1], damaged=True)

    def _place(self, kind: str) -> _Place:
        if not self._places:
            reader = self._opened()
            self._places = {k: _Place(reader.offset(self._sink, k)) for k in KINDS}
        return self._places[kind]

    def _opened(self) -> Reader:
        if self._reader is None:
            self._reader = Reader.open(self._store)
        return self._reader
