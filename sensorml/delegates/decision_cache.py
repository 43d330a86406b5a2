"""The decisions of `delegate = "auto"`, kept so that a restart need not measure.

An accelerator that a decision names is checked as any other. A file that is
damaged or cannot be written counts as an empty cache and is no error.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import msgspec

from sensorml.errors import InputError, OutputError
from sensorml.files import read_small, replacing
from sensorml.inference.latency import Latency

LIMIT: Final = 64
"""The newest decisions are kept; a model that is trained again adds a new one."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest delegate, and the latency of each."""

    winner: str
    us: dict[str, Latency]

    def __str__(self) -> str:
        """Return the decision as a sentence.

        >>> us = {"cpu": 12.3, "edgetpu-usb": 1402.0}
        >>> us = {n: Latency(p50=t, p95=t, p99=t, runs=200) for n, t in us.items()}
        >>> str(Decision(winner="cpu", us=us))
        'auto: cpu p95 12.3 µs, edgetpu-usb p95 1402.0 µs: cpu'
        """
        measured = [f"{name} p95 {us.p95:.1f} µs" for name, us in self.us.items()]
        return f"auto: {', '.join(measured)}: {self.winner}"


class Cache:
    """Decisions in one file, by a digest of what they depend on."""

    def __init__(self, folder: Path | None) -> None:
        """Use a folder, which need not exist yet; None keeps nothing."""
        self._path = folder / "delegates.json" if folder else None
        self._lock = threading.Lock()

    def get(self, key: str) -> Decision | None:
        return self._read().get(key)

    def put(self, key: str, decision: Decision) -> None:
        if self._path is None:
            return
        with self._lock:
            decisions = self._read()
            decisions.pop(key, None)
            decisions[key] = decision
            newest = dict(list(decisions.items())[-LIMIT:])
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(self._path) as file:
                    file.write(msgspec.json.encode(newest))
            except (OutputError, OSError):
                return

    def _read(self) -> dict[str, Decision]:
        if self._path is None:
            return {}
        try:
            return msgspec.json.decode(read_small(self._path), type=dict[str, Decision])
        except (InputError, msgspec.DecodeError, UnicodeDecodeError):
            return {}


def folder() -> Path | None:
    """Return systemd's cache or state folder, or that of the XDG specification."""
    for variable in ("CACHE_DIRECTORY", "STATE_DIRECTORY"):
        if variable in os.environ:
            return Path(os.environ[variable])
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # this user has no home folder
        return None
    return Path(home) / "sensorml"
