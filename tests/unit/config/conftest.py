"""A configuration file that is written beside its model."""

from __future__ import annotations

from pathlib import Path

import pytest
from plant_file import THREE, Write
from support import model_folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration beside a model that fits `GOOD`."""
    model_folder(tmp_path / "plain", text=THREE)

    def written(text: str) -> Path:
        path = tmp_path / "plant.toml"
        path.write_text(text)
        return path

    return written
