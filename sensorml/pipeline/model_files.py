"""model_files: say what this is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sensorml.errors import ConfigError, ModelError, Problem
from sensorml.pipeline.model_card import CARD, Card
from sensorml.schema import decode_file


def read(folder: Path) -> Card:
    """Read a model folder's card; its files may be others than it says.

    Raises:
        ModelError: naming the key and the reason.
    """
    try:
        return decode_file(folder / CARD, Card)
    except ConfigError as err:
        raise ModelError(str(err)) from err


def load(folder: Path) -> Card:
    """Read a model folder's card and check the hash of every file it names.

    Raises:
        ModelError: naming the file and the reason.
    """
    card = read(folder)
    verify(folder, card.files)
    return card


def verify(folder: Path, files: Mapping[str, str]) -> None:
    """Check the hashes of some of a folder's files, sha256 by name.

    Raises:
        ModelError: naming the file and the reason.
    """
    for name, expected in files.items():
        if Path(name).name != name or not name.endswith(".tflite"):
            raise ModelError(
                f"{folder / CARD}: files names {name!r}: only .tflite files of the "
                "same folder can be listed"
            )
        _verify(folder / name, expected)


def problems(folder: Path) -> tuple[Problem, ...]:
    """Return what `load` would refuse the folder for, as problems of its files."""
    try:
        load(folder)
    except ModelError as err:
        if isinstance(err.__cause__, ConfigError):
            return err.__cause__.problems
        return (Problem(str(folder), "", str(err), ""),)
    return ()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, expected: str) -> None:
    if path.exists() and not path.is_file():  # reading a pipe may never end
        raise ModelError(
            f"{path}: is not a regular file: restore the file or train the model again"
        )
    try:
        actual = sha256(path)
    except OSError as err:
        raise ModelError(
            f"{path}: {err.strerror}: restore the file or train the model again"
        ) from err
    if actual != expected:
        raise ModelError(
            f"{path}: sha256 is {actual[:12]}…, the card says {expected[:12]}…: "
            "the file is damaged or not the one the card was made for"
        )
