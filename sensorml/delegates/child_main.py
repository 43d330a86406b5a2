"""The child process of `child_engine`: models on a delegate.

`python -m sensorml.delegates.child_main CHANNEL JOB` takes the descriptor of a
SOCK_SEQPACKET socket and a `Job` as JSON. The child first sends b"+" and a JSON
list with a `Reason` for each model that cannot run, null for one that has run
once. Then it answers each message, one byte with the position of a model in the
job, after it has run the window that is in shared memory. An answer b"-" with a
`Reason` as JSON is the last one. Standard output is left to the delegate's
library.
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
    from sensorml.errors import Reason
    from sensorml.inference.delegate_library import Accelerator
    from sensorml.inference.tflite import TfliteEngine
    from sensorml.types import Float32

FLOAT_BYTES: Final = 4
NANOSECONDS: Final = struct.Struct("<cq")
"""The answer to a window: b"+", and the time of quantising in ns."""

_AWAKE_S: Final = 100e-6  # a message that arrives in this time needs no wake-up


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """A model's part of the shared memory: inputs, outputs (float32), the file."""

    start: int
    """Offset in bytes, a multiple of 4."""
    inputs: int
    outputs: int
    file_bytes: int

    @property
    def output_start(self) -> int:
        return self.start + self.inputs * FLOAT_BYTES

    @property
    def file(self) -> slice:
        start = self.output_start + self.outputs * FLOAT_BYTES
        return slice(start, start + self.file_bytes)

    @property
    def end(self) -> int:
        """The offset at which the next model may start."""
        floats = self.inputs + self.outputs + -(-self.file_bytes // FLOAT_BYTES)
        return self.start + floats * FLOAT_BYTES


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The child's task: the models to open, and on what."""

    accelerator: tuple[str, str, dict[str, str], str, str]
    """An `Accelerator`."""
    threads: int
    memory: int
    """The descriptor of the shared memory."""
    models: tuple[Area, ...]


def main() -> None:
    """Open the models, then run windows until the parent closes the channel."""
    job = msgspec.json.decode(sys.argv[2], type=Job)
    _die_with_parent()
    # The parent ends this process after the last queued window.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        try:
            _serve(job, channel)
        except (BrokenPipeError, ConnectionResetError):
            return  # the parent has closed its end


def _die_with_parent() -> None:
    """Have the kernel kill this process when the parent's end of stdin closes.

    This works while a library hangs and holds the GIL. PR_SET_PDEATHSIG would
    not do: it follows the thread that started the child, which may end before
    the parent does.
    """
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


class _LoadedModel(NamedTuple):
    """One model and its part of the shared memory."""

    engine: TfliteEngine
    input: Float32
    output: Float32


def _serve(job: Job, channel: socket.socket) -> None:
    from sensorml.errors import DelegateError

    memory = mmap.mmap(job.memory, 0)
    models: list[_LoadedModel | None] = []
    reasons: list[Reason | None] = []
    for area in job.models:
        try:
            models.append(_open(job, area, memory))
            reasons.append(None)
        except DelegateError as err:
            models.append(None)
            reasons.append(err.reason)
    if not any(models):
        channel.send(b"-" + msgspec.json.encode(reasons[0]))
        return
    channel.send(b"+" + msgspec.json.encode(reasons))
    while message := _next(channel):
        model = models[message[0]]
        assert model is not None  # noqa: S101 - the parent has its reason
        try:
            done = model.engine.infer(model.input)
        except DelegateError as err:
            channel.send(b"-" + msgspec.json.encode(err.reason))
            return
        model.output[:] = done.outputs.reshape(-1)
        channel.send(NANOSECONDS.pack(b"+", done.quantise_ns))


def _next(channel: socket.socket) -> bytes:
    """Return the next message, b"" at the end; stay awake for one that comes soon."""
    until_s = time.monotonic() + _AWAKE_S
    while time.monotonic() < until_s:
        with suppress(BlockingIOError):
            return channel.recv(1, socket.MSG_DONTWAIT)
        os.sched_yield()
    return channel.recv(1)


def _open(job: Job, area: Area, memory: mmap.mmap) -> _LoadedModel:
    """Load one model and run it once.

    Raises:
        DelegateError: the delegate does not open, or does not run it.
    """
    import numpy as np

    from sensorml.inference.delegate_library import Accelerator
    from sensorml.inference.tflite import TfliteEngine
    from sensorml.inference.tflite_file import parse

    input_ = np.frombuffer(memory, np.float32, area.inputs, area.start)[None]
    output = np.frombuffer(memory, np.float32, area.outputs, area.output_start)
    engine = TfliteEngine(
        parse(memory[area.file]),
        job.threads,
        renumbered(Accelerator(*job.accelerator)),
    )
    # A library that does not fit the runtime may crash only here.
    engine.infer(input_)
    return _LoadedModel(engine, input_, output)


def renumbered(accelerator: Accelerator) -> Accelerator:
    """Return the accelerator with libedgetpu's current number for its path.

    libedgetpu counts sticks without firmware first, then the others, the newest
    first, and PCIe chips in the order of their folder, so that an opening changes
    the numbers. Without a path, or if the library cannot be asked, the number
    stays. Source: libedgetpu, driver/beagle/beagle_usb_driver_provider.cc.

    Raises:
        DelegateError: the library does not see the device.
    """
    from sensorml.delegates import edgetpu_library
    from sensorml.errors import DelegateError

    name, library, options, _, path = accelerator
    if not path:
        return accelerator
    kind = options["device"].partition(":")[0]
    try:
        paths = edgetpu_library.device_paths(library, kind)
    except (OSError, AttributeError):  # the opening reports the cause better
        return accelerator
    if path not in paths:
        what = f"{name}: {library} does not see {path}"
        raise DelegateError(what, "unplug it and plug it in again")
    device = f"{kind}:{paths.index(path)}"
    return accelerator._replace(options={**options, "device": device})


if __name__ == "__main__":
    main()
