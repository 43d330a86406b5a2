"""The folder of a new model: it appears whole, and replaces nothing but a model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sensorml.errors import OutputError
from sensorml.files import shown
from sensorml.pipeline.model_card import CARD


@contextmanager
def model_folder(out: Path) -> Iterator[Path]:
    """Yield a new folder beside `out`, and move it there at the end.

    When the body fails, the new folder is removed and `out` is not changed.

    Raises:
        OutputError: `out` is neither a model folder nor empty, or cannot be written.
    """
    try:
        if why := _why_not(out):
            raise OutputError(f"{shown(out)}: {why}: name a new folder with --out")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{out.name}.", dir=out.parent
        ) as parent:
            new = Path(parent) / "new"
            new.mkdir()
            yield new
            _sync(new)
            if out.exists():
                out.replace(Path(parent) / "old")
            new.replace(out)
    except OSError as err:
        if isinstance(err, OutputError):
            raise
        raise OutputError(
            f"{shown(out)}: cannot be written ({err.strerror}): check the folder, its "
            "permissions and its free space"
        ) from err


def _why_not(out: Path) -> str | None:
    if not out.exists():
        return None
    if not out.is_dir():
        return "is no folder"
    if any(out.iterdir()) and not (out / CARD).is_file():
        return f"holds other files and no model (there is no {CARD})"
    return None


def _sync(folder: Path) -> None:
    """Flush the files to the disk, before the folder gets its name."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
