"""Files written whole or not at all, and secrets read from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from sensorml.errors import OutputError, SecretError, SensormlError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write beside the file, sync and rename, so that a reader never sees a part of it.

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
        if isinstance(err, SensormlError):  # an error of other code, such as the store
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
    """Do the same for UTF-8 text, whose newlines are written unchanged."""
    with replacing(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def read_secret(path: str, key: str) -> str:
    """Return the text of a file, without a byte order mark and space around it.

    Raises:
        SecretError: it cannot be read, is not UTF-8 or is empty; the message
            names the file and `key`, its key in the configuration.
    """
    try:
        secret = Path(path).read_text(encoding="utf-8-sig").strip()
    except OSError as err:
        raise SecretError(
            f"{path}: {key}: cannot be read ({err.strerror})",
            "correct the path or the file's permissions",
        ) from err
    except UnicodeDecodeError:  # its text would show a byte of the secret
        raise SecretError(
            f"{path}: {key}: is not UTF-8 text", "write the secret as plain text"
        ) from None
    if not secret:
        raise SecretError(f"{path}: {key}: is empty", "write the secret into it")
    return secret
