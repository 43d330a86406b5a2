"""The process around a command: its standard streams, and its end by a signal.

A command may be started without a terminal, with closed streams, or with a reader
that goes away. Its results are then an error, and its messages are dropped.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final, TextIO

from sensorml.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ENDS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that end a command in order, as Ctrl-C does."""


MOST_CHARACTERS: Final = 1_000
"""Of a line of a message."""


_LOGIN: Final = re.compile(r"(?<=://)[^/@\s]+@")
"""The user and the password in a URL."""


class EndedError(KeyboardInterrupt):
    """A signal has ended the command; its number is `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Results(io.FileIO):
    """Standard output, whose failure is one sentence."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as err:
            raise OutputError(
                f"standard output: cannot be written ({err.strerror}): "
                "redirect it to a file with free space, or use --out"
            ) from err


class Messages(io.FileIO):
    """Standard error; what cannot be written is dropped, because nobody reads it."""

    def write(self, data: ReadableBuffer, /) -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def open_streams() -> None:
    """Make the standard streams safe to use, also those that are closed.

    A closed descriptor would otherwise be given to the next file that is opened, and
    messages would be written into it.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(
                os.devnull, flags
            )  # results on standard output fail, as they should
    # A test has replaced them by its own.
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Results(1, "wb", closefd=False), sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(Messages(2, "wb", closefd=False), sys.stderr, by_line=True)


def _text(raw: io.FileIO, replaced: TextIO | None, *, by_line: bool = False) -> TextIO:
    """Return a text stream; a character that it cannot encode is written escaped."""
    encoding = "utf-8" if replaced is None else replaced.encoding
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line or raw.isatty(),
    )


def plain(text: str) -> str:
    r"""Return a message without control characters and passwords, in usual lines.

    >>> plain("a\x1b[2J\nhttp://me:secret@host/")
    'a\\x1b[2J\nhttp://***@host/'
    """
    return "\n".join(map(_plain_line, text.split("\n")))


def _plain_line(line: str) -> str:
    if len(line) > MOST_CHARACTERS:
        half = MOST_CHARACTERS // 2
        line = f"{line[:half]}…{line[-half:]}"
    if "://" in line:
        line = _LOGIN.sub("***@", line)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def drop_results() -> None:
    """Drop results that cannot be written, or Python reports them again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise EndedError on the signals that end a process, so that it ends in order.

    A signal that the process was started to ignore (nohup) stays ignored.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        raise EndedError(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = {
        number: signal.signal(number, end)
        for number in ENDS
        if signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def noted_signals() -> Iterator[Sequence[signal.Signals]]:
    """Collect the first signal that ends a process, for work that must not end by it.

    A second signal acts as before. One that the process was started to ignore stays
    ignored.
    """
    noted: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDS)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(signal.Signals(number))
        restore()

    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, note)
        yield noted
    finally:
        restore()
