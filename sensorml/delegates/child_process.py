"""A child process that answers messages within a deadline, or is ended."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import Final

import msgspec

from sensorml.delegates.libraries import signal_name
from sensorml.errors import DelegateError, Reason
from sensorml.inference.delegate_library import TOO_OLD, Accelerator
from sensorml.inference.stderr import Relay

END_S: Final = 2.0
"""The time that a child has to end by itself."""

_POLL_S: Final = 0.1  # how often a wait checks whether it was cancelled
_AWAKE_S: Final = 300e-6
"""Answers that come in this time are waited for by polling, because waking up from
a sleep takes as long again. An Edge TPU takes at least four times as long."""
_MESSAGE_BYTES: Final = 65536
_TAIL_BYTES: Final = 4096
_LINE_CHARACTERS: Final = 200
_LOST: Final = "the device may have been lost"
_PLUG: Final = "check its plug and its power"
_MEMORY: Final = "see dmesg, the kernel kills processes when memory runs out; free some"
_CRASHES: Final = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL}


class Child:
    """A Python process that runs one of our modules, and a socket to it.

    A good answer starts with b"+"; any other is followed by a `Reason` as JSON,
    and the child ends. The child's output is passed on to stderr; when the child
    dies, the last line of it is part of the reason.
    """

    def __init__(
        self, accelerator: Accelerator, module: str, argument: str, *, inherit: int
    ) -> None:
        """Start it; `inherit` is a descriptor that it inherits.

        Raises:
            OSError: no process could be started.
        """
        self.ended: Reason | None = None
        """The reason of its end; None while it runs."""
        self.hung = False
        """True after it was killed because it did not answer in time."""
        self._accelerator = accelerator
        self._answered = False
        self._quick = True
        self._tail = b""
        self._relay = Relay(accelerator.name)
        with ExitStack() as undo, ExitStack() as theirs:
            self._channel, channel = socket.socketpair(
                socket.AF_UNIX, socket.SOCK_SEQPACKET
            )
            undo.callback(self._channel.close)
            theirs.callback(channel.close)
            self._output, output = os.pipe()
            undo.callback(os.close, self._output)
            theirs.callback(os.close, output)
            for end in (self._output, output):  # output that is not read is lost
                os.set_blocking(end, False)
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module, str(channel.fileno()), argument],
                stdin=subprocess.PIPE,  # the child dies when it is closed
                stdout=output,
                stderr=output,
                pass_fds=(channel.fileno(), inherit),
                process_group=0,  # a Ctrl-C must not reach it
            )
            undo.pop_all()
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        self._poll.register(self._output, select.POLLIN)

    def ask(self, message: bytes) -> None:
        """Send a message.

        Raises:
            DelegateError: the child has ended; with the first reason.
        """
        if self.ended:
            raise DelegateError(*self.ended)
        with suppress(OSError):  # it has just died, `answer` raises the reason
            self._channel.send(message)

    def answer(self, deadline_s: float, cancel: threading.Event | None = None) -> bytes:
        """Return the next answer; if that is not a good one, end the child.

        Args:
            deadline_s: how long it may take.
            cancel: set it to stop waiting.

        Raises:
            DelegateError: it died, did not answer in time, or answered a reason.
        """
        start_s = time.monotonic()
        until_s = start_s + deadline_s
        awake_s = start_s + (_AWAKE_S if self._quick else 0)
        while time.monotonic() < awake_s and not self._poll.poll(0):
            os.sched_yield()
        while not (cancel and cancel.is_set()):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                self._relay_output()
                self.hung = True
                raise self._failure(
                    f"no answer within {deadline_s:g} s {self._phase()}"
                    f"{self._last_line()}, it was killed",
                    self._accelerator.restart,
                )
            if cancel:
                left_s = min(left_s, _POLL_S)
            ready = [fd for fd, _ in self._poll.poll(math.ceil(left_s * 1e3))]
            if self._output in ready and not self._relay_output():
                self._poll.unregister(self._output)
            if self._channel.fileno() in ready:
                self._quick = time.monotonic() - start_s < _AWAKE_S
                return self._received()
        raise self._failure("its opening was cancelled")

    def end(self, *, patience_s: float) -> None:
        """Let it end by itself, kill it after `patience_s`, close everything."""
        self.ended = self.ended or Reason(f"{self._accelerator.name}: it is closed")
        if self._channel.fileno() < 0:
            return
        if patience_s:
            self._channel.close()  # it reads the end of its messages
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self._process.kill()
        # Only a process that hangs in the kernel outlives this.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._channel.close()
        self._relay_output()
        self._relay.close()
        os.close(self._output)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()

    def _received(self) -> bytes:
        try:
            answer = self._channel.recv(_MESSAGE_BYTES)
        except ConnectionResetError:  # it died before it read the message
            answer = b""
        if answer.startswith(b"+"):
            self._answered = True
            return answer
        self.end(patience_s=END_S)
        if answer:
            raise self._failure(*msgspec.json.decode(answer[1:], type=Reason))
        raise self._failure(*self._death())

    def _failure(self, what: str, cure: str = "") -> DelegateError:
        """End the child, if it has not ended yet; return the error to raise."""
        self.end(patience_s=0)
        name = f"{self._accelerator.name}: "
        self.ended = Reason(name + what.removeprefix(name), cure)
        return DelegateError(*self.ended)

    def _death(self) -> Reason:
        """Return why it died, from its exit code and its output."""
        code = self._process.returncode or 0
        how = (
            f"its process died of {signal_name(-code)}"
            if code < 0
            else f"its process ended with exit code {code}"
        )
        line = self._last_line()
        what = f"{how} {self._phase()}{line}"
        if -code == signal.SIGKILL:
            return Reason(what, _MEMORY)
        if -code not in _CRASHES:
            return Reason(what, self._accelerator.restart)
        # libedgetpu aborts when a transfer fails; an update would not help.
        if self._answered or "transfer" in line:
            return Reason(f"{what}: {_LOST}", _PLUG)
        return Reason(f"{what}: {TOO_OLD}", self._accelerator.cure)

    def _phase(self) -> str:
        return "while it ran a window" if self._answered else "while it opened"

    def _relay_output(self) -> bool:
        """Pass on the child's output; return whether more may come."""
        try:
            output = os.read(self._output, _MESSAGE_BYTES)
        except BlockingIOError:
            return True
        self._tail = (self._tail + output)[-_TAIL_BYTES:]
        self._relay.write(output)
        return bool(output)

    def _last_line(self) -> str:
        """Return the last line of its output in brackets, or nothing."""
        lines = self._tail.decode(errors="replace").splitlines()
        # TFLite's own INFO lines are never the cause.
        lines = [line for line in lines if line.strip() and line[:5] != "INFO:"]
        if not lines:
            return ""
        line = "".join(filter(str.isprintable, lines[-1].strip()))
        return f' (its last output was "{line[:_LINE_CHARACTERS]}")'
