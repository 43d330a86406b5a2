"""A child process that answers messages: within a deadline, or it is ended."""

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

from sensorml.delegates.isolated import signal_name
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import TOO_OLD, Accelerator
from sensorml.inference.stderr import Relay

END_S: Final = 2.0
"""How long a child may take to end by itself."""

_ASK_S: Final = 0.1  # how often a wait that may be given up looks whether it is
_AWAKE_S: Final = 300e-6
"""A child that answers in this time is waited for awake: to be woken takes a
sleeping computer as long again. An Edge TPU takes four times as long at least."""
_MESSAGE_BYTES: Final = 65536
_TAIL_BYTES: Final = 4096
_LINE_CHARACTERS: Final = 200
_LOST: Final = "the device may have been lost"
_PLUG: Final = "check its plug and its power"
_MEMORY: Final = "see dmesg: the kernel kills when memory is short; free some"
_CRASHES: Final = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL}


class Child:
    """Python running one of our modules, with a socket to talk to it.

    An answer begins with b"+" when it is good; else the rest is JSON, why not
    and what to do, and the child ends. What the child prints is passed on to
    stderr, and its last line is part of the reason when it dies.
    """

    def __init__(
        self, accelerator: Accelerator, module: str, argument: str, *, inherit: int
    ) -> None:
        """Start it; `inherit` is a descriptor that it shall have, too.

        Raises:
            OSError: no process could be started.
        """
        self.ended: tuple[str, str] | None = None
        """The reason and its cure, once there is one."""
        self.hung = False
        """Whether it was killed because it did not answer in time."""
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
            self._said, says = os.pipe()
            undo.callback(os.close, self._said)
            theirs.callback(os.close, says)
            for end in (self._said, says):  # what nobody reads in time is lost
                os.set_blocking(end, False)
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module, str(channel.fileno()), argument],
                stdin=subprocess.PIPE,  # only to be closed: then the child dies
                stdout=says,
                stderr=says,
                pass_fds=(channel.fileno(), inherit),
                process_group=0,  # a Ctrl-C is for the parent
            )
            undo.pop_all()
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        self._poll.register(self._said, select.POLLIN)

    def ask(self, message: bytes) -> None:
        """Send a message.

        Raises:
            DelegateError: the child has ended; the reason is the first one.
        """
        if self.ended:
            raise DelegateError(*self.ended)
        with suppress(OSError):  # it has just died: `answer` says of what
            self._channel.send(message)

    def answer(self, deadline_s: float, cancel: threading.Event | None = None) -> bytes:
        """Return the next answer; if that is not a good one, end the child.

        Args:
            deadline_s: how long it may take.
            cancel: set it to give up waiting.

        Raises:
            DelegateError: it died, was silent too long, or said why not.
        """
        begun_s = time.monotonic()
        until_s = begun_s + deadline_s
        awake_s = begun_s + (_AWAKE_S if self._quick else 0)
        while time.monotonic() < awake_s and not self._poll.poll(0):
            os.sched_yield()
        while not (cancel and cancel.is_set()):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                self._listen()
                self.hung = True
                raise self._failure(
                    f"no answer {self._doing()} for {deadline_s:g} s"
                    f"{self._last_words()}: it was killed",
                    self._accelerator.restart,
                )
            if cancel:
                left_s = min(left_s, _ASK_S)
            ready = [at for at, _ in self._poll.poll(math.ceil(left_s * 1e3))]
            if self._said in ready and not self._listen():
                self._poll.unregister(self._said)
            if self._channel.fileno() in ready:
                self._quick = time.monotonic() - begun_s < _AWAKE_S
                return self._received()
        raise self._failure("its opening was given up")

    def end(self, *, patience_s: float) -> None:
        """Let it end by itself, kill it when that takes too long, free the rest."""
        self.ended = self.ended or (f"{self._accelerator.name}: it is closed", "")
        if self._channel.fileno() < 0:
            return
        if patience_s:
            self._channel.close()  # it reads the end of its messages
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self._process.kill()
        # Only one that hangs in the kernel outlives this; nobody waits for it.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._channel.close()
        self._listen()
        self._relay.close()
        os.close(self._said)
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()

    def _received(self) -> bytes:
        try:
            answer = self._channel.recv(_MESSAGE_BYTES)
        except ConnectionResetError:  # it died before it read the question
            answer = b""
        if answer.startswith(b"+"):
            self._answered = True
            return answer
        self.end(patience_s=END_S)
        if answer:
            raise self._failure(*msgspec.json.decode(answer[1:], type=tuple[str, str]))
        raise self._failure(*self._death())

    def _failure(self, why: str, cure: str = "") -> DelegateError:
        """End the child, if it has not ended yet; return the reason to raise."""
        self.end(patience_s=0)
        name = f"{self._accelerator.name}: "
        self.ended = name + why.removeprefix(name), cure
        return DelegateError(*self.ended)

    def _death(self) -> tuple[str, str]:
        """Say in words of what it died, and what to do."""
        code = self._process.returncode or 0
        how = (
            f"its process died of {signal_name(-code)}"
            if code < 0
            else f"its process ended with exit code {code}"
        )
        words = self._last_words()
        why = f"{how} {self._doing()}{words}"
        if -code == signal.SIGKILL:
            return why, _MEMORY
        if -code not in _CRASHES:
            return why, self._accelerator.restart
        # libedgetpu aborts when a transfer fails, which no update would help.
        if self._answered or "transfer" in words:
            return f"{why}: {_LOST}", _PLUG
        return f"{why}: {TOO_OLD}", self._accelerator.cure

    def _doing(self) -> str:
        return "on a window" if self._answered else "while it opened"

    def _listen(self) -> bool:
        """Pass on what it has printed; say whether more may come."""
        try:
            said = os.read(self._said, _MESSAGE_BYTES)
        except BlockingIOError:
            return True
        self._tail = (self._tail + said)[-_TAIL_BYTES:]
        self._relay.write(said)
        return bool(said)

    def _last_words(self) -> str:
        """Return the last line it printed, in brackets, or nothing."""
        lines = self._tail.decode(errors="replace").splitlines()
        # What TFLite tells of itself explains nothing.
        told = [line for line in lines if line.strip() and not line.startswith("INFO:")]
        if not told:
            return ""
        line = "".join(filter(str.isprintable, told[-1].strip()))
        return f' (it said "{line[:_LINE_CHARACTERS]}")'
