"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from sensorml.errors import OutputError, SensormlError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write beside the file, sync, rename: a reader finds all of it or the old one.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as err:
        if isinstance(err, SensormlError):  # somebody else's, a store's for one
            raise
        raise OutputError(
            f"{path}: cannot be written ({err.strerror}): "
            "check the folder, its permissions and its free space"
        ) from err
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def replacing_text(path: Path) -> Iterator[TextIO]:
    """`replacing` for UTF-8 text; newlines are written as they are given."""
    with replacing(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()
