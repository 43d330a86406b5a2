"""Standard error as a pipe that is read by the test, or by nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sensorml.inference import stderr


@contextmanager
def piped() -> Iterator[int]:
    """Make standard error a pipe; return the end to read from.

    It is no fixture, because pytest sets the descriptor again before the test.
    """
    real = os.dup(2)
    ours, theirs = os.pipe()
    os.dup2(theirs, 2)
    os.close(theirs)
    try:
        yield ours
    finally:
        stderr.let_through(real)
        os.dup2(real, 2)
        os.close(real)
        os.close(ours)


def fill() -> None:
    """Fill the pipe, so that the next write to descriptor 2 would block."""
    os.set_blocking(2, False)
    try:
        while True:
            os.write(2, b"x")
    except BlockingIOError:
        os.set_blocking(2, True)
