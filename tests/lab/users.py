"""Programs that run as somebody else than root."""

from __future__ import annotations

import sys
from pathlib import Path

NOBODY = 65534


def open_to_all(folder: Path) -> None:
    """Let everybody into a folder, and to the interpreter; it is the guest's copy."""
    for each in [folder, *folder.rglob("*")]:
        each.chmod(0o777)
    python = Path(sys.executable)  # of an environment: it and where it points to
    for file in (folder, python, python.resolve(), Path(__file__)):
        for each in file.parents:
            each.chmod(each.stat().st_mode | 0o555)
