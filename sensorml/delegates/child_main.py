"""The child's side of `child.py`: models behind a delegate, in their own process.

`python -m sensorml.delegates.child_main CHANNEL JOB`: the descriptor of a socket
that keeps messages apart, and a `Job` as JSON. The child says b"+" and, as JSON,
why each model cannot run and what to do (null when it has run once); from then
on it answers each message, the place of a model in the job as one byte, when it
has run the window that lies in shared memory. An answer b"-" with such a reason
is the last.
Standard output belongs to the delegate's library, which may print what it
likes.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from sensorml.inference.tflite import TfliteEngine
    from sensorml.types import Float32

FLOAT_BYTES: Final = 4
NANOSECONDS: Final = struct.Struct("<cq")
"""The answer to a window: b"+", and how long quantising took."""


_AWAKE_S: Final = 100e-6  # a message that comes in this time costs no wake-up


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model lies: inputs and outputs of one window (float32), the file."""

    start: int
    """Bytes from the beginning; on a whole float."""
    inputs: int
    outputs: int
    file_bytes: int

    @property
    def made(self) -> int:
        return self.start + self.inputs * FLOAT_BYTES

    @property
    def file(self) -> slice:
        begin = self.made + self.outputs * FLOAT_BYTES
        return slice(begin, begin + self.file_bytes)

    @property
    def end(self) -> int:
        """Where the next model may begin."""
        floats = self.inputs + self.outputs + -(-self.file_bytes // FLOAT_BYTES)
        return self.start + floats * FLOAT_BYTES


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is to do."""

    accelerator: tuple[str, str, dict[str, str], str, str]
    """An `Accelerator`."""
    threads: int
    memory: int
    """Descriptor of what both share."""
    models: tuple[Area, ...]


def main() -> None:
    """Open the models, then run windows until the parent closes the channel."""
    job = msgspec.json.decode(sys.argv[2], type=Job)
    _die_with_parent()
    # The parent ends this process, when it has run what is queued.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        try:
            _serve(job, channel)
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent has given up: there is nobody to tell


def _die_with_parent() -> None:
    """Have the kernel kill this process when the parent's end of stdin closes.

    Nothing in here needs to be able to run for that: a library that hangs
    holds the GIL. (PR_SET_PDEATHSIG would not do. It follows the thread that
    started the child, which may end before the parent does.)
    """
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


class _Place(NamedTuple):
    """One model and its part of the shared memory."""

    engine: TfliteEngine
    given: Float32
    made: Float32


def _serve(job: Job, channel: socket.socket) -> None:
    from sensorml.errors import DelegateError

    memory = mmap.mmap(job.memory, 0)
    places: list[_Place | None] = []
    reasons: list[tuple[str, str] | None] = []
    for area in job.models:
        try:
            places.append(_open(job, area, memory))
            reasons.append(None)
        except DelegateError as err:
            places.append(None)
            reasons.append((err.why, err.cure))
    if not any(places):
        channel.send(b"-" + msgspec.json.encode(reasons[0]))
        return
    channel.send(b"+" + msgspec.json.encode(reasons))
    while message := _next(channel):
        place = places[message[0]]
        assert place is not None  # noqa: S101 - the parent knows the reason
        try:
            done = place.engine.infer(place.given)
        except DelegateError as err:
            channel.send(b"-" + msgspec.json.encode((err.why, err.cure)))
            return
        place.made[:] = done.outputs.reshape(-1)
        channel.send(NANOSECONDS.pack(b"+", done.quantise_ns))


def _next(channel: socket.socket) -> bytes:
    """Return the next message, b"" at their end; of several windows it comes soon."""
    asleep_s = time.monotonic() + _AWAKE_S
    while time.monotonic() < asleep_s:
        with suppress(BlockingIOError):
            return channel.recv(1, socket.MSG_DONTWAIT)
        os.sched_yield()
    return channel.recv(1)


def _open(job: Job, area: Area, memory: mmap.mmap) -> _Place:
    """Load one model and run it once.

    Raises:
        DelegateError: it does not open, or does not run.
    """
    import numpy as np

    from sensorml.delegates.edgetpu_numbers import renumbered
    from sensorml.inference.delegate_library import Accelerator
    from sensorml.inference.tflite import TfliteEngine
    from sensorml.inference.tflite_file import parse

    given = np.frombuffer(memory, np.float32, area.inputs, area.start)[None]
    made = np.frombuffer(memory, np.float32, area.outputs, area.made)
    engine = TfliteEngine(
        parse(memory[area.file]),
        job.threads,
        renumbered(Accelerator(*job.accelerator)),
    )
    # A library that does not fit the runtime may crash only here.
    engine.infer(given)
    return _Place(engine, given, made)


if __name__ == "__main__":
    main()
