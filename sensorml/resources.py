"""Where the declarative files are: in the wheel, in the checkout, in /etc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Kind = Literal["boards", "delegates", "models"]

_PACKAGE = Path(__file__).resolve().parent


def folders(kind: Kind, site: Path | None = None) -> list[Path]:
    """List the folders that hold files of this kind; a later one overrides.

    `site` is systemd's CONFIGURATION_DIRECTORY, else /etc/sensorml.
    """
    if site is None:
        site = Path(os.environ.get("CONFIGURATION_DIRECTORY", "/etc/sensorml"))
    packaged = _PACKAGE / "_data" / kind
    shipped = packaged if packaged.is_dir() else _PACKAGE.parent / kind
    both = (shipped, site / kind)
    # Path's is_dir raises where somebody may not look.
    return [folder for folder in both if os.path.isdir(folder)]  # noqa: PTH112


def model_folder(path: str, beside: Path) -> Path:
    """Find a model folder: beside the configuration, then /etc, then shipped.

    `path` may be "models/motor" or "motor". Returns the first place looked at
    when it is nowhere, so that the message names a path the user knows.
    """
    first = beside / path
    name = path.removeprefix("models/")
    for candidate in (first, *(f / name for f in reversed(folders("models")))):
        if candidate.is_dir():
            return candidate
    return first
