"""A program whose output lines are read, and which never outlives this process.

Its output is a pseudo-terminal, because into a pipe most programs write only when some
kilobytes have gathered. It runs in a process group of its own, so that its children end
with it. Its standard input is a pipe from this process, on which the kernel kills that
group when our end closes. So the group also ends when this process is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import signal
import subprocess
import termios
import tty
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import IO, Final

from sensorml.errors import BusError

END_S: Final = 2.0
"""The time that it has to end after SIGTERM."""
MOST_SKIPPED: Final = 8
"""Lengths of the longest line that are skipped before a line counts as endless."""

_ENVIRONMENT: Final = {"PYTHONUNBUFFERED": "1", "TERM": "dumb", "NO_COLOR": "1"}
"""Python also writes at once into a pipe of a shell, and no colours on a terminal."""
_WINDOW: Final = (24, 10_000)  # so that no program folds its lines
_ESCAPES: Final = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")

_CHUNK_BYTES: Final = 65_536
_CHUNKS: Final = 16  # of 4 kB from a terminal, because a program may never pause
_TAIL_BYTES: Final = 4096
_SHOWN_CHARACTERS: Final = 200


class Program:
    """One running program."""

    def __init__(self, command: Sequence[str], *, max_line_bytes: int) -> None:
        """Start it.

        Raises:
            BusError: there is no such program, or it may not be run.
        """
        self.name = command[0]
        self.too_long = 0
        """Lines of more than `max_line_bytes`; they are dropped."""
        self.finished = False
        """True after it has ended with exit code 0 and every line is read."""
        self._max_line_bytes = max_line_bytes
        self._line = b""
        self._skipping = False
        self._skipped = 0
        self._tail = b""
        with ExitStack() as undo:
            program_end, self._our_end = os.pipe()
            undo.callback(os.close, self._our_end)
            with ExitStack() as passed:
                passed.callback(os.close, program_end)
                try:
                    self._output, terminal = os.openpty()
                    undo.callback(os.close, self._output)
                    passed.callback(os.close, terminal)
                    tty.setraw(terminal)
                    termios.tcsetwinsize(terminal, _WINDOW)
                    self._process = subprocess.Popen(  # noqa: S603 - as configured
                        command,
                        stdin=program_end,
                        stdout=terminal,
                        stderr=subprocess.PIPE,
                        env=os.environ | _ENVIRONMENT,
                        process_group=0,
                    )
                except OSError as err:
                    raise BusError(
                        err.errno,
                        f"{self.name}: it cannot be started ({err.strerror}): install "
                        "it, or correct command",
                    ) from err
                # These settings belong to the pipe, which the program shares.
                fcntl.fcntl(program_end, fcntl.F_SETOWN, -self._process.pid)
                fcntl.fcntl(program_end, fcntl.F_SETSIG, signal.SIGKILL)
                flags = fcntl.fcntl(program_end, fcntl.F_GETFL)
                fcntl.fcntl(program_end, fcntl.F_SETFL, flags | os.O_ASYNC)
            undo.pop_all()
        for descriptor in (self._output, self._stderr.fileno()):
            os.set_blocking(descriptor, False)

    @property
    def _stderr(self) -> IO[bytes]:
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101 - it is a pipe
        return stderr

    def lines(self) -> list[bytes]:
        """Return the lines since the last call, without waiting.

        Text behind the last newline is a line if it has ended with exit code 0.

        Raises:
            BusError: it has failed or closed its output, and every line is read; or
                a line has no end.
        """
        self._read_stderr()
        written, ended = _available(self._output)
        lines = self._cut(_ESCAPES.sub(b"", written))
        if self._skipped > MOST_SKIPPED * self._max_line_bytes:
            raise BusError(
                f"{self.name}: sends more than {self._skipped} bytes without a "
                "newline: let it print rows as text, one a line"
            )
        if not ended or lines:
            return lines
        code, how = self._how()
        if code != 0:
            self._read_stderr()  # stderr may give the reason
            raise self.failure(how)
        self.finished = True
        rest, self._line = self._line, b""
        return [rest] if rest.strip() else []

    def failure(self, how: str) -> BusError:
        """Return the error for its end, with the last line of its stderr."""
        return BusError(f"{self.name}: {how}{self._last_message()}")

    def end(self) -> None:
        """Stop it: SIGTERM, then SIGKILL to the whole group after END_S."""
        if self._process.returncode is not None:
            return
        # It is reaped only after its group is killed: until then its id is not reused.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._our_end)
        os.close(self._output)
        self._stderr.close()

    def _read_stderr(self) -> None:
        """Read its stderr, so that the pipe never fills up."""
        text, _ = _available(self._stderr.fileno())
        self._tail = (self._tail + text)[-_TAIL_BYTES:]

    def _cut(self, written: bytes) -> list[bytes]:
        """Return the whole lines, and keep the text after the last newline."""
        *lines, rest = (self._line + written).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        self._skipped = self._skipped + len(rest) if self._skipping else 0
        if self._skipping or len(rest) > self._max_line_bytes:
            self.too_long += not self._skipping
            self._skipping, rest = True, b""
        self._line = rest
        self.too_long += sum(len(line) > self._max_line_bytes for line in lines)
        most = self._max_line_bytes
        return [line for line in lines if line.strip() and len(line) <= most]

    def _wait(self, seconds: float) -> bool:
        """Wait for its end, without reaping it."""
        descriptor = os.pidfd_open(self._process.pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)

    def _how(self) -> tuple[int | None, str]:
        """Return its exit code, if it has one, and how it ended.

        Its output may have closed a moment before.
        """
        self._wait(0.1)
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        result = os.waitid(os.P_PID, self._process.pid, flags)
        if result is None:
            return None, "it closed its output"
        if result.si_code == os.CLD_EXITED:
            return result.si_status, f"it ended with exit code {result.si_status}"
        return None, f"it was killed by {signal.Signals(result.si_status).name}"

    def _last_message(self) -> str:
        """Return the last line of its stderr, and the cure."""
        lines = [each for each in self._tail.splitlines() if each.strip()]
        if not lines:
            return ": run it by hand to find the reason"
        text = "".join(filter(str.isprintable, lines[-1].decode(errors="replace")))
        return f' ("{text.strip()[:_SHOWN_CHARACTERS]}"): run it by hand'


def _available(descriptor: int) -> tuple[bytes, bool]:
    """Return the available bytes, and whether there will be no more."""
    chunks: list[bytes] = []
    with suppress(BlockingIOError):
        for _ in range(_CHUNKS):
            try:
                chunk = os.read(descriptor, _CHUNK_BYTES)
            except OSError as err:
                if err.errno != errno.EIO:  # of a terminal that nobody holds
                    raise
                chunk = b""
            if not chunk:
                return b"".join(chunks), True
            chunks.append(chunk)
    return b"".join(chunks), False
