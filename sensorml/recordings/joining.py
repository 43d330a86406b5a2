"""Many files as one recording: a folder or a pattern, in the order of their times.

Files with a date are placed by it: what lies between two of them is missed, and
nothing is missed where one begins a sample after the other ends. Without dates the
order is that of the names, with numbers by their value, and no window may span two
files.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from sensorml.errors import RecordingError
from sensorml.files import shown
from sensorml.recordings.formats import ENDINGS
from sensorml.recordings.recording import MAX_VALUES, Recording, mean_rate_hz
from sensorml.recordings.segments import Segment
from sensorml.recordings.spool import Chained, Spool, pieces
from sensorml.recordings.tables.clocks import RATE_TOLERANCE

APART_ROWS: Final = 1 << 16
"""Rows that count as missed between files without dates: more than a window has."""
_DATED_NS: Final = 978_307_200 * 10**9  # 2001: earlier times count from another zero
_EARLY: Final = 0.5  # of a period, that a file may begin before the one before it ends
_MOST_NOTES: Final = 8


def expanded(path: Path) -> list[Path]:
    """Return the files that a path means: a folder's, those of a pattern, or itself.

    Raises:
        RecordingError: a folder or a pattern without recordings.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("b10.csv", "b9.csv", "readme.md"):
    ...         _ = Path(folder, name).write_text("")
    ...     [file.name for file in expanded(Path(folder))]
    ['b9.csv', 'b10.csv']
    """
    # Path.is_dir and exists raise without permission, and for long names.
    if os.path.isdir(path):  # noqa: PTH112
        try:
            files = [file for file in path.iterdir() if _is_recording(file)]
        except OSError as err:
            what = f"cannot be read ({err.strerror}): check its permissions"
            raise RecordingError(f"{shown(path)}: {what}") from err
        cure = "name another folder, or a pattern such as 'folder/**/*.csv'"
        what = "holds no recording"
    elif glob.has_magic(str(path)) and not os.path.exists(path):  # noqa: PTH110
        matches = map(Path, glob.iglob(str(path), recursive=True))  # noqa: PTH207
        files = [file for file in matches if _is_recording(file)]
        what, cure = "matches no recording", "correct the pattern"
    else:
        return [path]
    if not files:
        raise RecordingError(f"{path}: {what}: {cure}")
    return sorted(files, key=_by_number)


def read_each(
    paths: Sequence[Path], read: Callable[[Path], Recording], *, join: bool
) -> Iterator[Recording]:
    """Read the files that the paths mean, one by one; with `join`, as one recording.

    Raises:
        RecordingError: as `expanded` and `joined`, or of `read`.
    """
    files = [file for path in paths for file in expanded(path)]
    if join and files:
        name = paths[0] if len(paths) == 1 else Path(os.path.commonpath(files))
        yield joined(name, [read(file) for file in files])
    else:
        yield from map(read, files)


def joined(path: Path, recordings: Sequence[Recording]) -> Recording:
    """Return recordings of one sensor as one.

    Args:
        path: the folder or the pattern, for messages.
        recordings: at least one.

    Raises:
        RecordingError: they differ in channels, unit or rate, overlap in time, or are
            too long together.
    """
    first = recordings[0]
    for other in recordings[1:]:
        _check_alike(first, other)
    dated = all(recording.start_ns >= _DATED_NS for recording in recordings)
    ordered = sorted(recordings, key=lambda r: r.start_ns) if dated else recordings
    rows = sum(recording.rows for recording in recordings)
    if rows * len(first.channels) > MAX_VALUES:
        raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
    parts = list(ordered[0].segments)
    at = ordered[0].rows
    for before, after in pairwise(ordered):
        parts += _moved(before, after, parts[-1], at, dated=dated)
        at += after.rows
    starts = np.cumsum([0, *(r.rows for r in ordered[:-1])]).tolist()
    return Recording(
        path=path,
        data=Chained([recording.data for recording in ordered]),
        channels=first.channels,
        unit=first.unit,
        rate_hz=mean_rate_hz(parts, rows),
        start_ns=parts[0].start_ns,
        clipped=_clipped(path, ordered, starts),
        segments=tuple(parts),
        notes=_notes(ordered, parts, dated=dated),
        jitter_ns=max((r.jitter_ns for r in ordered if r.jitter_ns), default=None),
    )


def _clipped(
    path: Path, recordings: Sequence[Recording], starts: Sequence[int]
) -> Spool[np.intp]:
    """Return the clipped rows of all, each recording from its first row on."""
    rows = Spool(path, np.intp)
    for recording, start in zip(recordings, starts, strict=True):
        for piece in pieces(recording.clipped):
            rows.append(piece + start)
    return rows


def _is_recording(file: Path) -> bool:
    name = file.name.lower()
    known = name.removesuffix(".gz").endswith(ENDINGS)
    return known and not name.startswith(".") and os.path.isfile(file)  # noqa: PTH113


def _by_number(file: Path) -> list[tuple[int, int, str]]:
    """Return a key that sorts names with numbers by their value."""
    parts = re.findall(r"\d+|\D+", str(file))
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts]


def _check_alike(first: Recording, other: Recording) -> None:
    for what, a, b in (
        ("channels", ", ".join(other.channels), ", ".join(first.channels)),
        ("unit", other.unit or "none", first.unit or "none"),
    ):
        if a != b:
            raise RecordingError(
                f"{other.path}: its {what} ({a}) differs from {first.path} ({b}): join "
                "recordings of one sensor"
            )
    if abs(other.rate_hz / first.rate_hz - 1) > RATE_TOLERANCE:
        raise RecordingError(
            f"{other.path}: was sampled at {other.rate_hz:.6g} Hz, {first.path} at "
            f"{first.rate_hz:.6g} Hz: join recordings of one sample rate"
        )


def _moved(
    before: Recording, after: Recording, last: Segment, at: int, *, dated: bool
) -> list[Segment]:
    """Return the segments of a file behind the one before it, from row `at` on."""
    ended_rows = at - last.first
    next_ns = last.start_ns + round(ended_rows * 1e9 / last.rate_hz)
    if dated:
        late = (after.start_ns - next_ns) * last.rate_hz / 1e9
        if late < -_EARLY:
            raise RecordingError(
                f"{after.path}: begins {-late / last.rate_hz:.3g} s before "
                f"{before.path} ends: remove one, or read them one by one"
            )
        missed, ahead_ns = max(0, round(late)), 0
    else:
        missed = APART_ROWS
        ahead_ns = next_ns + round(missed * 1e9 / last.rate_hz) - after.start_ns
    head, *rest = after.segments
    moved = [head._replace(missed=missed), *rest]
    return [
        segment._replace(first=segment.first + at, start_ns=segment.start_ns + ahead_ns)
        for segment in moved
    ]


def _notes(
    recordings: Sequence[Recording], parts: Sequence[Segment], *, dated: bool
) -> tuple[str, ...]:
    """Return the notes of all files once, each with the number of files."""
    gaps = sum(part.missed > 0 for part in parts)
    order = "by their times" if dated else "by their names, no window spans two files"
    counted = Counter(note for recording in recordings for note in recording.notes)
    shown = [
        note if count == len(recordings) else f"{note} ({count} files)"
        for note, count in counted.most_common(_MOST_NOTES)
    ]
    return (f"joined: {len(recordings)} files {order}, {gaps} gaps", *shown)
