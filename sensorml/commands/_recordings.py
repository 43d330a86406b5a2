"""Options of the commands that read recordings, and what was understood of them."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorml.commands._arguments import hertz
from sensorml.process import plain

if TYPE_CHECKING:
    from sensorml.recordings import Recording, TableOptions

_TIME_UNITS: Final = (
    "ns", "us", "ms", "s", "min", "h", "d", "excel", "matlab", "dmy", "mdy",
)  # fmt: skip


def add_recording_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --join, --channels, --rate, --unit, --time, --time-unit and --where."""
    parser.add_argument(
        "--join",
        action="store_true",
        help="the files, or those of a folder or pattern, are one recording with gaps",
    )
    parser.add_argument(
        "--channels",
        type=_names,
        metavar="A,B",
        help="columns to use; quote names with commas: '\"a,b\",c' (default: all)",
    )
    parser.add_argument(
        "--rate", type=hertz, metavar="HZ", help="sample rate of a file without one"
    )
    parser.add_argument(
        "--unit", metavar="U", help="unit of the samples of a file without one"
    )
    parser.add_argument("--time", metavar="COLUMN", help="time column of a table")
    parser.add_argument(
        "--time-unit",
        choices=_TIME_UNITS,
        metavar="U",
        help=f"unit of that column, or order of its dates: {', '.join(_TIME_UNITS)}",
    )
    parser.add_argument(
        "--where",
        type=_condition,
        action="append",
        metavar="COLUMN=VALUE",
        help="rows to take of a table that holds several sensors",
    )


def table_options(args: argparse.Namespace) -> TableOptions:
    """Return the options for a table."""
    from sensorml.recordings import TableOptions  # with numpy: not for --help

    return TableOptions(args.time, args.time_unit, dict(args.where or ()))


def expanded(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings that paths, folders and patterns mean."""
    from sensorml.recordings import joining  # with numpy: not for --help

    return [file for path in paths for file in joining.expanded(path)]


class Notes:
    """Prints on standard error how recordings were understood, what is alike once."""

    def __init__(self) -> None:
        self._shown: set[str] = set()
        self._alike = 0

    def show(self, recording: Recording) -> None:
        """Print the notes of a recording that no other had."""
        new = [note for note in recording.notes if note not in self._shown]
        self._alike += bool(recording.notes) and not new
        self._shown.update(new)
        for note in new:
            print(plain(f"{recording.path}: {note}"), file=sys.stderr)

    def end(self) -> None:
        """Print the number of recordings all of whose notes were shown before."""
        if self._alike:
            print(f"{self._alike} more read alike", file=sys.stderr)


def _names(text: str) -> list[str]:
    """Split names at commas that are not in quotes.

    >>> _names('"a,b", c')
    ['a,b', 'c']
    """
    names = next(csv.reader([text], skipinitialspace=True), [])
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names no channel")
    if twice := [name for name in names if names.count(name) > 1]:
        raise argparse.ArgumentTypeError(f"{twice[0]!r} is named twice")
    return names


def _condition(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=VALUE")
    return column.strip(), value.strip()
