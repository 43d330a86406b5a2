"""The child's side of `child.py`: a model behind a delegate, in its own process.

`python -m sensorml.engines.child_main CHANNEL JOB`: the descriptor of a socket
that keeps messages apart, and a `Job` as JSON. The child says b"+" when the
model has run once; from then on it answers each message when it has run the
window that lies in shared memory. An answer b"-" with a sentence is the last.
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
from typing import Final

import msgspec

FLOAT_BYTES: Final = 4
NANOSECONDS: Final = struct.Struct("<cq")
"""The answer to a window: b"+", and how long quantising took."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is to do."""

    delegate: str
    library: str
    options: dict[str, str]
    threads: int
    memory: int
    """Descriptor of what both share: the inputs of one window, its outputs (both
    float32), the model file."""
    inputs: int
    outputs: int


def main() -> None:
    """Open the model, then run windows until the parent closes the channel."""
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


def _serve(job: Job, channel: socket.socket) -> None:
    import numpy as np

    from sensorml.engines.modelfile import parse
    from sensorml.engines.tflite import Accelerator, TfliteEngine
    from sensorml.errors import SensormlError

    memory = mmap.mmap(job.memory, 0)
    given = np.frombuffer(memory, np.float32, job.inputs)[None]
    made = np.frombuffer(memory, np.float32, job.outputs, given.nbytes)
    file = parse(memory[given.nbytes + made.nbytes :])
    accelerator = Accelerator(job.delegate, job.library, job.options)
    try:
        engine = TfliteEngine(file, job.threads, accelerator)
        # A library that does not fit the runtime may crash only here.
        engine.infer(given)
        channel.send(b"+")
        while channel.recv(1):
            done = engine.infer(given)
            made[:] = done.outputs.reshape(-1)
            channel.send(NANOSECONDS.pack(b"+", done.quantise_ns))
    except SensormlError as err:
        channel.send(b"-" + str(err).encode())


if __name__ == "__main__":
    main()
