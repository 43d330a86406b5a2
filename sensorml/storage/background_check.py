"""The check of the whole journal on a thread of its own, beside the writer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from sensorml.errors import StoreError
from sensorml.storage.checking import Findings, check

_PAUSE_S: Final = 0.05
"""After each piece of a few ms, so that the check takes a small share of a core."""
_STOP_S: Final = 0.5
"""A piece lasts longer only in a table of many GB."""


class BackgroundCheck:
    """One check at a time; the journal's writer starts it and takes its findings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = threading.Event()
        self._findings: Findings | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin a check, unless one is running."""
        if self._thread is None:
            self._end = threading.Event()
            self._findings = None
            self._thread = threading.Thread(
                target=self._run, args=(self._end,), name="journal check", daemon=True
            )
            self._thread.start()

    def take(self) -> Findings | None:
        """Return the findings of a check that has ended, once; None before."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        return self._findings

    def stop(self) -> None:
        """End the check; its thread ends after the piece that it does."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            self._thread = None

    def _run(self, end: threading.Event) -> None:
        try:
            findings = check(self._path, pause=lambda: end.wait(_PAUSE_S))
        except (StoreError, OSError):
            return  # the writer meets the same fault, and reports it
        if not end.is_set():
            self._findings = findings
