"""Output of C libraries on descriptor 2, which Python's sys.stderr does not see."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

BYTES_A_SECOND: Final = 4096
"""Limit of the output that is passed on: some libraries print on every window."""

_descriptor = threading.Lock()
"""Held by the one that leads descriptor 2 elsewhere."""


class _State:
    held_back = False


def hold_back() -> None:
    """Lead descriptor 2 to /dev/null, because a write to it would block."""
    with _descriptor:
        if not _State.held_back:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
            _State.held_back = True


def let_through(real: int) -> None:
    """Lead descriptor 2 to where `real` leads, if it was held back."""
    with _descriptor:
        if _State.held_back:
            os.dup2(real, 2)
            _State.held_back = False


@contextmanager
def without(prefix: bytes) -> Iterator[None]:
    """Drop lines with this prefix from descriptor 2.

    Other lines, of any thread, are passed on at the end.
    """
    with _descriptor:
        try:
            real = os.dup(2)
        except OSError:  # a service may have no stderr
            yield
            return
        with os.fdopen(os.memfd_create("stderr"), "w+b") as caught:
            os.dup2(caught.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(real, 2)
                os.close(real)
                caught.seek(0)
                for line in caught:
                    if not line.startswith(prefix):
                        _write(line)


class Relay:
    """A child's output, passed on to stderr in printable form and limited."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`name` is the delegate's; `clock` is in s, monotonic."""
        self._name = name
        self._clock = clock
        self._since_s = -float("inf")
        self._left = 0
        self._dropped = 0

    def write(self, output: bytes) -> None:
        """Pass output on; count what exceeds the limit and report it the first time."""
        now_s = self._clock()
        if now_s - self._since_s >= 1:
            self._since_s, self._left = now_s, BYTES_A_SECOND
        shown = output[: self._left]
        self._left -= len(shown)
        _print(shown.decode(errors="replace"))
        if len(shown) < len(output):
            if not self._dropped:
                limit = f"output above {BYTES_A_SECOND} bytes a second is dropped"
                _print(f"\n{self._name}: {limit}\n")
            self._dropped += len(output) - len(shown)

    def close(self) -> None:
        """Report how much was dropped, if any."""
        if self._dropped:
            _print(f"{self._name}: {self._dropped} bytes of its output were dropped\n")


def _print(text: str) -> None:
    """Write to descriptor 2, without control characters."""
    printable = "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
    _write(printable.encode())


def _write(output: bytes) -> None:
    """Write to descriptor 2 as much as it takes at once."""
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    for start in range(0, len(output), select.PIPE_BUF):
        with suppress(OSError):  # a service may have no stderr
            if poll.poll(0):
                os.write(2, output[start : start + select.PIPE_BUF])
