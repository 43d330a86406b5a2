"""A program of somebody else's whose lines are read, and that never outlives us.

It runs in a process group of its own, so that what it starts ends with it. Its
standard input is a pipe from here on which the kernel is asked to kill that
group when our end closes: also when this process is killed, with nothing left
running here or there that could do it.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import IO, Final

from sensorml.errors import BusError

END_S: Final = 2.0
"""How long it may take to end after SIGTERM."""

_CHUNK_BYTES: Final = 65_536
_CHUNKS: Final = 16  # in one go, so that one that never stops is not read for ever
_TAIL_BYTES: Final = 4096
_SAID_CHARACTERS: Final = 200


class Program:
    """One run of a program, from its start to its end."""

    def __init__(self, command: Sequence[str], *, max_line_bytes: int) -> None:
        """Start it.

        Raises:
            BusError: there is no such program, or it may not be run.
        """
        self.name = command[0]
        self.too_long = 0
        """Lines of more than `max_line_bytes`; they are dropped."""
        self._max_line_bytes = max_line_bytes
        self._line = b""
        self._skipping = False
        self._tail = b""
        with ExitStack() as undo:
            theirs, self._leash = os.pipe()
            undo.callback(os.close, self._leash)
            with ExitStack() as passed:
                passed.callback(os.close, theirs)
                try:
                    self._process = subprocess.Popen(  # noqa: S603 - as configured
                        command,
                        stdin=theirs,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        process_group=0,
                    )
                except OSError as err:
                    raise BusError(
                        err.errno,
                        f"{self.name}: it cannot be started ({err.strerror}): install "
                        "it, or correct command",
                    ) from err
                # These settings belong to the pipe, which the program now has too.
                fcntl.fcntl(theirs, fcntl.F_SETOWN, -self._process.pid)
                fcntl.fcntl(theirs, fcntl.F_SETSIG, signal.SIGKILL)
                flags = fcntl.fcntl(theirs, fcntl.F_GETFL)
                fcntl.fcntl(theirs, fcntl.F_SETFL, flags | os.O_ASYNC)
            undo.pop_all()
        for stream in self._streams:
            os.set_blocking(stream.fileno(), False)

    @property
    def _streams(self) -> tuple[IO[bytes], IO[bytes]]:
        out, err = self._process.stdout, self._process.stderr
        assert out is not None  # noqa: S101 - they are pipes
        assert err is not None  # noqa: S101
        return out, err

    def lines(self) -> list[bytes]:
        """Return the lines that have come, without waiting.

        What it wrote behind its last newline when it ended is no whole line.

        Raises:
            BusError: it has ended or closed its output, and every line is read.
        """
        self._listen()
        written, ended = _available(self._streams[0])
        lines = self._cut(written)
        if ended and not lines:
            how = self._how()
            self._listen()  # it may have said why after its last line
            raise BusError(f"{self.name}: {how}{self._last_words()}")
        return lines

    def end(self) -> None:
        """Ask it to end, kill what is left of it after END_S, and free the rest."""
        if self._process.returncode is not None:
            return
        # Not reaped before its group is killed: until then its number is its own.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._leash)
        for stream in self._streams:
            stream.close()

    def _listen(self) -> None:
        """Take what it has printed on stderr, so that it never fills up."""
        said, _ = _available(self._streams[1])
        self._tail = (self._tail + said)[-_TAIL_BYTES:]

    def _cut(self, written: bytes) -> list[bytes]:
        """Return the whole lines, and keep what has no newline yet."""
        *lines, rest = (self._line + written).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        if self._skipping or len(rest) > self._max_line_bytes:
            self.too_long += not self._skipping
            self._skipping, rest = True, b""
        self._line = rest
        self.too_long += sum(len(line) > self._max_line_bytes for line in lines)
        most = self._max_line_bytes
        return [line for line in lines if line.strip() and len(line) <= most]

    def _wait(self, seconds: float) -> bool:
        """Wait for its end; leave it to be reaped."""
        descriptor = os.pidfd_open(self._process.pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)

    def _how(self) -> str:
        """Say how it ended; its output may have closed a moment before."""
        self._wait(0.1)
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        result = os.waitid(os.P_PID, self._process.pid, flags)
        if result is None:
            return "it closed its output"
        if result.si_code == os.CLD_EXITED:
            return f"it ended with exit code {result.si_status}"
        return f"it died of {signal.Signals(result.si_status).name}"

    def _last_words(self) -> str:
        """Return the last line on its stderr, or what to do."""
        lines = [each for each in self._tail.splitlines() if each.strip()]
        if not lines:
            return ": run it by hand to see why"
        text = "".join(filter(str.isprintable, lines[-1].decode(errors="replace")))
        return f' (it said "{text.strip()[:_SAID_CHARACTERS]}"): run it by hand'


def _available(stream: IO[bytes]) -> tuple[bytes, bool]:
    """Return what is there, and whether nothing will follow."""
    chunks: list[bytes] = []
    with suppress(BlockingIOError):
        for _ in range(_CHUNKS):
            chunk = os.read(stream.fileno(), _CHUNK_BYTES)
            if not chunk:
                return b"".join(chunks), True
            chunks.append(chunk)
    return b"".join(chunks), False
