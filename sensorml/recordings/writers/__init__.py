"""The writers of recordings: one module for each ending of a file's name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from sensorml.errors import MissingExtraError, OutputError
from sensorml.files import replacing
from sensorml.recordings.content import Content

ENDINGS: Final = (".npz", ".csv", ".wav", ".parquet")


class RecordingWriter(Protocol):
    """A module of this package, named after its ending."""

    def write(self, file: BinaryIO, content: Content) -> Sequence[str]:
        """Write a recording of at least one row, at the start of an empty file.

        Returns:
            What the format cannot hold, in words.
        """


def writer_for(path: Path) -> RecordingWriter:
    """Return the writer for the ending of a name.

    Raises:
        OutputError: there is none.
        MissingExtraError: it needs a library that is not installed.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise OutputError(
            f"{path}: has no ending of a recording: choose one of {', '.join(ENDINGS)}"
        )
    try:
        module = import_module(f"{__name__}.{ending[1:]}")
    except ImportError as err:
        raise MissingExtraError(
            f"{path}: cannot be written without {err.name}: "
            "pip install 'sensorml[tables]', or choose another ending"
        ) from err
    return cast("RecordingWriter", module)


def write(path: Path, content: Content) -> Sequence[str]:
    """Write a recording; `path` is replaced as a whole or not at all.

    Returns:
        What the format cannot hold, in words.

    Raises:
        OutputError: the ending is unknown, or the file cannot be written.
        MissingExtraError: the format needs a library that is not installed.
    """
    writer = writer_for(path)
    with replacing(path) as file:
        return writer.write(file, content)
