"""Chips in use: a chip has one owner among all processes of this computer.

A FIFO that two programs read gives each of them half of the samples, and the end of
one puts the chip to sleep under the other. So a program takes the name of a chip
before it opens it: it binds an abstract Unix socket to the name, which the kernel
frees when the process ends, however it ends. Nothing is sent through these sockets;
a second one, whose name contains the process, shows others who the owner is.

Sensors of one process may share a name, because its configuration has been checked.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

from sensorml.errors import BusError, InUseError

SOCKETS: Final = Path("/proc/net/unix")
"""The kernel's list of bound sockets; an abstract name begins with @."""

_NAME_BYTES: Final = 107
"""The longest abstract name; longer ones lose the end of the owner's command."""


class Hold:
    """The names that one sensor uses alone, from `take` to `release`."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        """Prepare; `names` returns them at each `take`, as buses may be renumbered."""
        self._names = names
        self._taken: ExitStack | None = None

    def take(self) -> None:
        """Take all names, unless they are taken already.

        Raises:
            InUseError: another process has one; the message names that process.
            BusError: the names cannot be found or reserved.
        """
        if self._taken is not None:
            return
        with ExitStack() as stack:
            for name in dict.fromkeys(self._names()):
                _take(name)
                stack.callback(_release, name)
            self._taken = stack.pop_all()

    def release(self) -> None:
        """Free the names, except those that another sensor here still uses."""
        if self._taken is not None:
            self._taken.close()
            self._taken = None


@contextmanager
def held(*names: str) -> Iterator[None]:
    """Hold names for the duration of the `with` block.

    Raises:
        InUseError, BusError: as `Hold.take`.
    """
    hold = Hold(partial(iter, names))
    hold.take()
    try:
        yield
    finally:
        hold.release()


class _Owned:
    """A name that this process has, and how many of its sensors use it."""

    def __init__(self, name: str) -> None:
        self.users = 0
        self._sockets = ExitStack()
        with self._sockets:
            self._bind(_key(name))
            self._bind(f"{_key(name)}{os.getpid()} {_command()}")
            self._sockets = self._sockets.pop_all()

    def _bind(self, name: str) -> None:
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sockets.enter_context(bound)
        bound.bind(b"\0" + name.encode()[:_NAME_BYTES])

    def close(self) -> None:
        self._sockets.close()


_owned: Final[dict[str, _Owned]] = {}
_lock: Final = threading.Lock()


def _take(name: str) -> None:
    with _lock:
        if name not in _owned:
            try:
                _owned[name] = _Owned(name)
            except OSError as err:
                if err.errno != errno.EADDRINUSE:
                    why = f"{name} cannot be reserved: {err.strerror}"
                    raise BusError(err.errno, why) from err
                what = f"{name} is in use by {_owner(name)}"
                raise InUseError(what, "wait for its end, or stop it") from None
        _owned[name].users += 1


def _release(name: str) -> None:
    with _lock:
        owned = _owned[name]
        owned.users -= 1
        if not owned.users:
            del _owned[name]
            owned.close()


def _key(name: str) -> str:
    """Return the beginning of the names of both sockets."""
    return f"sensorml/{blake2b(name.encode(), digest_size=8).hexdigest()}/"


def _command() -> str:
    """Return the command line of this process, printable."""
    text = " ".join(["sensorml", *sys.argv[1:]])
    return "".join(c if c.isprintable() else "?" for c in text)


def _owner(name: str) -> str:
    """Return the owner in words: the number of its process and its command."""
    mark = f"@{_key(name)}".encode()
    try:
        lines = SOCKETS.read_bytes().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, found, owner = line.partition(mark)
        if found and owner:
            number, _, command = owner.decode(errors="replace").partition(" ")
            return f"process {number} ({command})"
    return "another process"
