"""Rows of a table that are out of order, sorted by their times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np

from sensorml.errors import RecordingError
from sensorml.recordings import spool
from sensorml.recordings.spool import Sliced, Spool, Times

T = TypeVar("T", bound=np.generic)

_MOST: Final = 1 << 21
"""Rows that are sorted at once."""


class Order(NamedTuple):
    """The order that sorts rows, group by group."""

    t_ns: Times
    """The times that are not sorted."""
    groups: tuple[tuple[int, int], ...]
    """First row and end of each; together they are all rows."""

    def applied(self, rows: Sliced[T], into: Spool[T]) -> Spool[T]:
        """Append rows to a spool in their order; rows of one time keep theirs."""
        for begin, end in self.groups:
            times, part = self.t_ns[begin:end], rows[begin:end]
            if (np.diff(times) < 0).any():
                part = part[np.argsort(times, kind="stable")]
            into.append(part)
        return into


def in_order(path: Path, t_ns: Times, edges: Sequence[int]) -> Order:
    """Find the groups of rows that can be sorted each by itself.

    Args:
        path: the table, for messages.
        t_ns: the times.
        edges: 0, the rows that nothing is sorted across, and the number of rows.

    Raises:
        RecordingError: too many rows depend on each other.
    """
    groups = [group for part in pairwise(edges) for group in _groups(t_ns, *part)]
    if any(end - begin > _MOST for begin, end in groups):
        raise RecordingError(
            f"{path}: its rows are out of order over more than {_MOST} rows: sort them "
            "by time"
        )
    return Order(t_ns, tuple(groups))


def _groups(t_ns: Times, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Split where all rows before are earlier than all that follow."""
    firsts = range(begin, end, spool.PIECE)
    ends = [*firsts[1:], end]
    spans = [
        (int(part.min()), int(part.max()))
        for part in (t_ns[a:b] for a, b in zip(firsts, ends, strict=True))
    ]
    following = spans[-1][0]
    earliest: list[int] = []
    """Of the pieces that follow each."""
    for low, _ in reversed(spans):
        earliest.append(following)
        following = min(following, low)
    earliest.reverse()
    first, latest = begin, spans[0][1]
    for (_, high), ended, next_ns in zip(spans, ends, earliest, strict=True):
        latest = max(latest, high)
        if ended == end or latest <= next_ns:
            yield first, ended
            first = ended
