"""The one writer of a journal among all processes.

The owner holds a lock (flock) on `journal.db.lock`, which the kernel frees when the
process ends, however it ends. The lock is not on the journal itself: SQLite's own locks
on a file are lost when any other descriptor of that file is closed.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sensorml.errors import StoreError
from sensorml.files import read_small, shown
from sensorml.storage.disk_faults import fault

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class OwnedError(StoreError):
    """Another process writes this journal."""


class Ownership:
    """The right to write a journal, from `take` to `release`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def take(self) -> None:
        """Take the journal, unless it is taken already.

        Raises:
            OwnedError: another process has it; the message names that process.
            StoreError: the lock cannot be created.
        """
        if self._descriptor is not None:
            return
        try:
            descriptor = os.open(self._lock, _FLAGS, 0o644)
        except OSError as err:
            raise fault(self._path, err) from err
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(descriptor)
            raise OwnedError(
                f"{shown(self._path)}: is written by {self._owner()}: stop it, or set "
                "[store] path to another file"
            ) from err
        except OSError:
            os.close(descriptor)  # a file system without locks
            return
        self._descriptor = descriptor
        self._sign(descriptor)

    def claim(self) -> None:
        """Take the journal at the start, if its folder is there and can be written.

        Raises:
            OwnedError: another process has it.
        """
        try:
            self.take()
        except OwnedError:
            raise
        except StoreError:
            return  # the first commit reports it

    def release(self) -> None:
        """Free the journal for others."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _sign(self, descriptor: int) -> None:
        """Write who the owner is, for the messages of others."""
        text = " ".join([f"process {os.getpid()} (sensorml", *sys.argv[1:]]) + ")"
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(errors="replace")[:500], 0)
        except OSError:
            return  # a full disk: others learn less

    def _owner(self) -> str:
        try:
            text = read_small(self._lock).decode(errors="replace")
        except OSError:
            text = ""
        return "".join(c for c in text if c.isprintable()) or "another process"
