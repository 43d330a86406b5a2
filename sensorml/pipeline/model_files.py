"""Model folders: the card, and the hashes of the files that it names."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path

from sensorml.errors import ConfigError, ModelError, Problem
from sensorml.pipeline.model_card import CARD, Card
from sensorml.schema import decode_file


def load(folder: Path) -> Card:
    """Read a folder's card and verify the hash of every file that it names.

    Raises:
        ModelError: with the problems of the card or of a file.
    """
    card = read(folder)
    verify(folder, card.files)
    return card


def read(folder: Path) -> Card:
    """Read a folder's card and verify no file.

    Raises:
        ModelError: with the problems of the card.
    """
    try:
        return decode_file(folder / CARD, Card)
    except ConfigError as err:
        raise ModelError(str(err), problems=err.problems) from err


def verify(folder: Path, files: Mapping[str, str]) -> None:
    """Verify the hashes of some of a folder's files, sha256 by name.

    Raises:
        ModelError: with the problem of the first file that is wrong.
    """
    for name, expected in files.items():
        if problem := _problem(folder, name, expected):
            raise ModelError(str(problem), problems=(problem,))


def sha256(path: Path) -> str:
    """Return the hash of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _problem(folder: Path, name: str, expected: str) -> Problem | None:
    if Path(name).name != name or not name.endswith(".tflite"):
        what = f"names {name!r}"
        cure = "list only .tflite files of the same folder"
        return Problem(str(folder / CARD), "files", what, cure)
    path, cure = folder / name, "restore the file or train the model again"
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe may never end
            return Problem(str(path), "", "is not a regular file", cure)
        actual = sha256(path)
    except OSError as err:
        return Problem(str(path), "", str(err.strerror), cure)
    if actual != expected:
        what = f"sha256 is {actual[:12]}…, the card says {expected[:12]}…"
        cure = "the file is damaged or not the one the card was made for: restore it"
        return Problem(str(path), "", what, cure)
    return None
