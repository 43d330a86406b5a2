"""The rows of an Excel workbook, as lines of text with tabs between the cells.

A sheet is a table as people make it by hand: titles above the header, a row of units,
dates in several forms. So its cells are read as those of a text file are.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from sensorml.errors import MissingExtraError, RecordingError
from sensorml.recordings.tables.sources import HEAD, MOST_PACKED, PACKED_FREE

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

Cell: TypeAlias = "int | float | str | bool | time | date | datetime | timedelta"

_HEAD_ROWS: Final = 4000
_CHUNK_ROWS: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Sheet:
    """The longest sheet of a workbook; a `sources.Lines`."""

    path: Path
    title: str
    cells: CalamineSheet
    head: tuple[str, ...]
    whole: bool
    packed: bool = True
    encoding: str = "utf-8-sig"

    def chunks(self) -> Iterator[bytes]:
        """Yield UTF-8 of whole lines."""
        rows = map(_line, self.cells.iter_rows())
        while lines := list(islice(rows, _CHUNK_ROWS)):
            yield "".join(f"{line}\n" for line in lines).encode()


def open_sheet(path: Path) -> Sheet:
    """Open a workbook.

    Raises:
        RecordingError: it is no workbook, or holds nothing.
        MissingExtraError: python-calamine is not installed.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            f"{path.suffix} needs python-calamine: install it with pip install "
            "'sensorml[excel]'"
        ) from err
    _refuse_bomb(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            sheets = [book.get_sheet_by_name(name) for name in book.sheet_names]
    except (CalamineError, OSError, ValueError) as err:
        message = (str(err) or type(err).__name__).splitlines()[0][:200]
        raise RecordingError(
            f"{path}: is not a complete workbook ({message}): copy or save it again"
        ) from err
    longest = max(sheets, key=lambda sheet: sheet.total_height, default=None)
    if longest is None or not longest.total_height:
        raise RecordingError(f"{path}: is empty: make the recording again")
    lines: list[str] = []
    size = 0
    for row in islice(longest.iter_rows(), _HEAD_ROWS):
        lines.append(_line(row))
        size += len(lines[-1])
        if size > HEAD:
            break
    whole = len(lines) == longest.total_height
    return Sheet(path, f"sheet {longest.name!r}", longest, tuple(lines), whole)


def _refuse_bomb(path: Path) -> None:
    """Raise for a workbook that unpacks to much more than its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile):  # .xls is no zip; calamine reports the rest
        return
    if size > path.stat().st_size * MOST_PACKED + PACKED_FREE:
        raise RecordingError(
            f"{path}: unpacks to more than {MOST_PACKED} times its size, which no "
            "recording does: check where it comes from"
        )


def _line(cells: Sequence[Cell]) -> str:
    return "\t".join(map(_text, cells))


def _text(cell: Cell) -> str:
    r"""Return the text of a cell.

    >>> _text(datetime(2024, 5, 1, 12, 0, 0, 250000)), _text(0.1), _text("a\tb")
    ('2024-05-01 12:00:00.250000', '0.1', 'a b')
    """
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, timedelta):
        return repr(cell.total_seconds())
    if isinstance(cell, float):
        return repr(cell)
    return " ".join(str(cell).split())
