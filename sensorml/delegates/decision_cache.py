"""What `delegate = "auto"` has decided before, so that a restart is quick.

It only saves measuring: an accelerator that it names is checked all the same.
A file that is damaged or cannot be written is no cache, and no error.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import msgspec

from sensorml.errors import OutputError
from sensorml.files import replacing

KEPT: Final = 64
"""Decisions, the newest; a model that is trained again makes a new one."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """A window's whole way through an engine, in µs."""

    p50: float
    p95: float
    runs: int


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Which delegate was the fastest, and by how much."""

    winner: str
    us: dict[str, Latency]

    def said(self) -> str:
        """Say it in a sentence.

        >>> us = {"cpu": 12.3, "edgetpu-usb": 1402.0}
        >>> us = {name: Latency(p50=p95, p95=p95, runs=200) for name, p95 in us.items()}
        >>> Decision(winner="cpu", us=us).said()
        'auto: cpu p95 12.3 µs, edgetpu-usb p95 1402.0 µs: cpu'
        """
        measured = [f"{name} p95 {us.p95:.1f} µs" for name, us in self.us.items()]
        return f"auto: {', '.join(measured)}: {self.winner}"


class Cache:
    """Decisions by what they depend on, in one file."""

    def __init__(self, folder: Path | None) -> None:
        """Use a folder, which need not be there yet; None: remember nothing."""
        self._path = folder / "delegates.json" if folder else None
        self._lock = threading.Lock()

    def get(self, key: str) -> Decision | None:
        return self._read().get(key)

    def put(self, key: str, decision: Decision) -> None:
        if self._path is None:
            return
        with self._lock:
            known = self._read()
            known.pop(key, None)
            newest = {**known, key: decision}
            kept = dict(list(newest.items())[-KEPT:])
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(self._path) as file:
                    file.write(msgspec.json.encode(kept))
            except (OutputError, OSError):
                return

    def _read(self) -> dict[str, Decision]:
        if self._path is None:
            return {}
        try:
            return msgspec.json.decode(
                self._path.read_bytes(), type=dict[str, Decision]
            )
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}


def folder() -> Path | None:
    """Return systemd's cache or state folder, else the XDG specification's."""
    for given in ("CACHE_DIRECTORY", "STATE_DIRECTORY"):
        if given in os.environ:
            return Path(os.environ[given])
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # this user has none
        return None
    return Path(home) / "sensorml"
