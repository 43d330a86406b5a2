"""The folders of boards, delegates and models: in the package and in /etc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Kind = Literal["boards", "delegates", "models"]

_PACKAGE = Path(__file__).resolve().parent


def folders(kind: Kind, site: Path | None = None) -> list[Path]:
    """Return the folders with files of a kind; a later one overrides an earlier one.

    `site` is systemd's CONFIGURATION_DIRECTORY, else /etc/sensorml.
    """
    if site is None:
        site = Path(os.environ.get("CONFIGURATION_DIRECTORY", "/etc/sensorml"))
    packaged = _PACKAGE / "_data" / kind
    shipped = packaged if packaged.is_dir() else _PACKAGE.parent / kind
    both = (shipped, site / kind)
    # Path.is_dir raises where the user has no permission.
    return [folder for folder in both if os.path.isdir(folder)]  # noqa: PTH112


def model_folder(path: str, beside: Path) -> Path:
    """Return a model folder: beside the configuration, in /etc, or of the package.

    `path` may be "models/motor" or "motor". If there is no such folder, the path
    beside the configuration is returned, because the user knows it.
    """
    first = beside / path
    name = path.removeprefix("models/")
    for candidate in (first, *(f / name for f in reversed(folders("models")))):
        if os.path.isdir(candidate):  # noqa: PTH112 - as above
            return candidate
    return first
