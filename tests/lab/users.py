"""An unprivileged user for programs that must not run as root."""

from __future__ import annotations

import sys
from pathlib import Path

NOBODY = 65534


def grant_access(folder: Path) -> None:
    """Give every user access to a folder and to the interpreter, in the guest only."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777)
    python = Path(sys.executable)  # a link, if it is of a virtual environment
    for file in (folder, python, python.resolve(), Path(__file__)):
        for parent in file.parents:
            parent.chmod(parent.stat().st_mode | 0o555)
