"""A Python process that notes the level of lines after each call that may change one.

Python imports this module at its start if its folder is in PYTHONPATH. The guest has
one processor, so another process cannot see a pulse between two calls; this one can.
"""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType

MODULES = {"fcntl", "posix", "_lgpio"}
"""The modules whose functions claim, drive or release a line."""


class Spy:
    """Notes the levels of lines, in order, as one character a line."""

    def __init__(self, files: list[str], notes: str) -> None:
        self._files = [os.open(file, os.O_RDONLY) for file in files]
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND)
        self._levels = b""

    def note(self, _frame: FrameType | None, event: str, function: object) -> None:
        """Note the levels if they have changed; a profile function."""
        if event not in {"c_return", "c_exception"}:
            return
        if getattr(function, "__module__", "") in MODULES:
            levels = b"".join(os.pread(file, 1, 0) for file in self._files)
            if levels != self._levels:
                self._levels = levels
                os.write(self._notes, levels + b"\n")


if "SPY_LINES" in os.environ:
    spy = Spy(os.environ["SPY_LINES"].split(":"), os.environ["SPY_NOTES"])
    threading.setprofile(spy.note)
    sys.setprofile(spy.note)
