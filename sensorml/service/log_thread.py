"""The log on a thread of its own, which no other thread waits for.

Standard error may be a pipe that nobody reads (a stalled journald, a pager), or a
terminal that is held (Ctrl-S). A write then never returns. So a log line goes into a
bounded queue; what does not fit is dropped and counted. While nothing can be written,
descriptor 2 leads to /dev/null, because libraries in C write to it, too.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from types import TracebackType
from typing import Final, Self

from sensorml.inference import stderr
from sensorml.process import plain

MOST_LINES: Final = 1_000
MOST_BYTES: Final = 4_096
"""Of a line. A pipe that poll() reports as writable takes as much at once
(PIPE_BUF)."""
LOOK_S: Final = 1.0
"""Between looks whether descriptor 2 is read, while there is nothing to log."""
CLOSE_S: Final = 0.5
"""The time for the last lines."""


class LogThread(logging.Handler):
    """Writes log lines to standard error, from its creation to `close`."""

    def __init__(self, text_format: str) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(text_format))
        self.dropped = 0
        """Lines that were dropped, because nobody read standard error."""
        self._reported = 0
        self._real = os.dup(2)
        self._lines: deque[bytes] = deque()
        self._closing = False
        self._changed = threading.Condition()
        # A daemon, because the exit of the process must not wait for a reader.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def __enter__(self) -> Self:
        """Take over the log of the program."""
        root = logging.getLogger()
        root.addHandler(self)
        root.setLevel(logging.INFO)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the last lines, if they are read within half a second."""
        logging.getLogger().removeHandler(self)
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            stderr.hold_back()  # or a last message would block the exit
        else:
            os.close(self._real)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the lines of a record; when there are too many, drop the oldest."""
        lines = plain(self.format(record)).split("\n")
        with self._changed:
            for line in lines:
                if len(self._lines) == MOST_LINES:
                    self._lines.popleft()
                    self.dropped += 1
                self._lines.append(_cut(line))
            self._changed.notify()

    def _run(self) -> None:
        waiting = select.poll()
        waiting.register(self._real, select.POLLOUT)
        while self._wait():
            if waiting.poll(1000 * LOOK_S):
                stderr.let_through(self._real)
                self._write()
            else:
                stderr.hold_back()

    def _wait(self) -> bool:
        """Wait for a line; return False when there will be none."""
        with self._changed:
            if not self._lines and not self._closing:
                self._changed.wait(LOOK_S)
            return bool(self._lines) or not self._closing

    def _write(self) -> None:
        """Write one line; one that nobody can ever read is dropped."""
        with self._changed:
            lost, self._reported = self.dropped - self._reported, self.dropped
            if not lost and not self._lines:
                return
            line = (
                b"%d log lines were dropped: standard error was not read\n" % lost
                if lost
                else self._lines.popleft()
            )
        try:
            os.write(self._real, line)
        except OSError:
            with self._changed:
                self.dropped += 1
                self._reported = self.dropped


def _cut(line: str) -> bytes:
    return line.encode(errors="backslashreplace")[: MOST_BYTES - 1] + b"\n"
