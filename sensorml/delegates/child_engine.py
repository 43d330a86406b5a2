"""Engines in a process of their own, for delegates that hang or crash.

libedgetpu aborts its process when the stick is unplugged, and an `invoke` may
never return. Here that is a `DelegateError` with the reason in words, and the
process is gone. Models on one device share a process, since a second one that
opens the device would reset it under the first. Windows and outputs lie in
memory that both sides share; a message of a byte says which model to run.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sensorml.delegates.child_main import NANOSECONDS, Area, Job
from sensorml.delegates.child_process import END_S, Child
from sensorml.errors import DelegateError
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite_file import ModelFile
from sensorml.interfaces import Inference
from sensorml.types import Float32

OPEN_S: Final = 20.0
"""An Edge TPU opens in 2 to 3 s; the rest is a slow SD card."""
INVOKE_S: Final = 1.0


class _Place(NamedTuple):
    """One model: what is sent to run it, and its part of the shared memory."""

    message: bytes
    given: Float32
    made: Float32
    shape: tuple[int, ...]
    """Of one output."""


class SharedChild:
    """One process with models behind one accelerator; ends with the last user.

    Its engines may be used by several threads: windows take turns.
    """

    def __init__(
        self,
        files: Mapping[int, ModelFile],
        accelerator: Accelerator,
        *,
        threads: int = 1,
        invoke_s: float = INVOKE_S,
    ) -> None:
        """Start the process; `open` waits for it.

        Args:
            files: verified, by the number that `engine` knows them by; their
                bytes are what the child runs.
            accelerator: what the child loads.
            threads: for the operators that stay on the CPU.
            invoke_s: deadline for each window.

        Raises:
            DelegateError: no process could be started.
        """
        self.delegate = accelerator.name
        self._invoke_s = invoke_s
        self._lock = threading.Lock()
        self._users = 0
        self._refused: dict[int, tuple[str, str] | None] = {}
        try:
            with ExitStack() as stack:
                memory = os.memfd_create("sensorml-windows")
                stack.callback(os.close, memory)
                areas = self._lay_out(memory, files)
                job = Job(
                    accelerator=accelerator,
                    threads=threads,
                    memory=memory,
                    models=areas,
                )
                self._child = Child(
                    accelerator,
                    "sensorml.delegates.child_main",
                    msgspec.json.encode(job).decode(),
                    inherit=memory,
                )
        except OSError as err:
            raise DelegateError(
                f"{self.delegate}: no process could be started for it ({err.strerror})",
                "free some memory",
            ) from err

    @property
    def hung(self) -> bool:
        """Whether it was killed because it did not answer in time."""
        return self._child.hung

    def open(self, open_s: float, cancel: threading.Event | None = None) -> None:
        """Wait until every model has run once, or is known not to.

        Args:
            open_s: deadline.
            cancel: set it to give up early.

        Raises:
            DelegateError: the accelerator does not open, or not in time, or no
                model runs on it. The process is gone.
        """
        with ExitStack() as undo:
            undo.callback(self._child.end, patience_s=0)
            answer = self._child.answer(open_s, cancel)
            undo.pop_all()
        reasons = msgspec.json.decode(answer[1:], type=list[tuple[str, str] | None])
        self._refused = dict(zip(self._places, reasons, strict=True))

    def engine(self, number: int) -> ChildEngine | None:
        """Return an engine for one of the models; None when the process has ended.

        Raises:
            DelegateError: this model was refused; the others may run.
        """
        if why := self._refused.get(number):
            raise DelegateError(*why)
        with self._lock:
            if self._child.ended or number not in self._places:
                return None
            self._users += 1
            return ChildEngine(self, number)

    def run(self, number: int, features: Float32) -> Inference:
        """Run a model on `features` (n, inputs) float32, one window at a time.

        `invoke_ns` holds the way to the child and back.

        Raises:
            DelegateError: the child died, did not answer in time, or said why
                it cannot go on.
        """
        begun = time.perf_counter_ns()
        message, given, made, shape = self._places[number]
        outputs = np.empty((len(features), len(made)), np.float32)
        quantise_ns = 0
        for window, output in zip(features, outputs, strict=True):
            with self._lock:
                given[:] = window
                self._child.ask(message)
                answer = self._child.answer(self._invoke_s)
                output[:] = made
            quantise_ns += NANOSECONDS.unpack(answer)[1]
        elapsed_ns = time.perf_counter_ns() - begun
        outputs = outputs.reshape(len(features), *shape)
        return Inference(outputs, quantise_ns, elapsed_ns - quantise_ns)

    def leave(self) -> None:
        """Have one user less; without any, end the process."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._child.end(patience_s=END_S)

    def end(self) -> None:
        """Let the child give the device back and end; after 2 s it is killed."""
        with self._lock:
            self._child.end(patience_s=END_S)

    def _lay_out(self, memory: int, files: Mapping[int, ModelFile]) -> tuple[Area, ...]:
        """Put the files into shared memory, each with room for a window."""
        areas: list[Area] = []
        for file in files.values():
            area = Area(
                start=areas[-1].end if areas else 0,
                inputs=file.inputs[0].size,
                outputs=file.outputs[0].size,
                file_bytes=len(file.data),
            )
            areas.append(area)
        os.truncate(memory, areas[-1].end)
        shared = mmap.mmap(memory, 0)
        self._places: dict[int, _Place] = {}
        for i, (number, file) in enumerate(files.items()):
            area = areas[i]
            shared[area.file] = file.data
            self._places[number] = _Place(
                bytes([i]),
                np.frombuffer(shared, np.float32, area.inputs, area.start),
                np.frombuffer(shared, np.float32, area.outputs, area.made),
                file.outputs[0].shape[1:],
            )
        return tuple(areas)


class ChildEngine:
    """One model in a child. After a DelegateError it is over: make another."""

    degraded = False
    why = ""

    def __init__(self, child: SharedChild, number: int) -> None:
        self.delegate = child.delegate
        self._child = child
        self._number = number
        self._closed = False

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs) float32, n >= 1.

        Raises:
            DelegateError: as `SharedChild.run`, or this engine is closed.
        """
        if self._closed:
            raise DelegateError(f"{self.delegate}: it is closed")
        return self._child.run(self._number, features)

    def close(self) -> None:
        """Leave the process, which ends when it has no user any more."""
        if not self._closed:
            self._closed = True
            self._child.leave()


def open_child(
    file: ModelFile,
    accelerator: Accelerator,
    *,
    open_s: float = OPEN_S,
    invoke_s: float = INVOKE_S,
    cancel: threading.Event | None = None,
) -> ChildEngine:
    """Open one model in a child of its own; arguments as for `SharedChild`.

    Raises:
        DelegateError: the accelerator does not open, or not in time.
    """
    child = SharedChild({0: file}, accelerator, invoke_s=invoke_s)
    child.open(open_s, cancel)
    engine = child.engine(0)
    assert engine is not None  # noqa: S101 - it has just been opened
    return engine
