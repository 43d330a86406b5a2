"""A model folder that appears whole, and replaces nothing but a model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorml.errors import OutputError
from sensorml.pipeline.model_card import CARD


@contextmanager
def model_folder(out: Path) -> Iterator[Path]:
    """Give a new folder beside `out`, and put it in its place at the end.

    Nothing is left behind, and `out` is as it was, when the body fails.

    Raises:
        OutputError: `out` is something else than a model folder or an empty
            one, or cannot be written.
    """
    if why := _why_not(out):
        raise OutputError(f"{out}: {why}: name a new folder with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{out.name}.", dir=out.parent
        ) as place:
            made = Path(place) / "new"
            made.mkdir()
            yield made
            _sync(made)
            if out.exists():
                out.replace(Path(place) / "old")
            made.replace(out)
    except OSError as err:
        if isinstance(err, OutputError):
            raise
        raise OutputError(
            f"{out}: cannot be written ({err.strerror}): check the folder, its "
            "permissions and its free space"
        ) from err


def _why_not(out: Path) -> str | None:
    if not out.exists():
        return None
    if not out.is_dir():
        return "is a file"
    if any(out.iterdir()) and not (out / CARD).is_file():
        return f"holds something else than a model (it has no {CARD})"
    return None


def _sync(folder: Path) -> None:
    """Have the files on the disk before the folder gets its name."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
