"""Engines in a child process, for delegates that hang or crash.

libedgetpu aborts its process when the stick is unplugged, and an `invoke` may
never return. Here that becomes a `DelegateError`, and the child is ended. Models
on one device share a child, because a second process that opens the device would
reset it under the first. Windows and outputs are in shared memory; a message of
one byte selects the model to run.
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
from sensorml.errors import DelegateError, Reason
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite_file import ModelFile
from sensorml.interfaces import Inference
from sensorml.types import Float32

OPEN_S: Final = 20.0
"""An Edge TPU opens in 2 to 3 s; the rest allows for a slow SD card."""
INVOKE_S: Final = 1.0


class _SharedModel(NamedTuple):
    """One model: the message that runs it, and its part of the shared memory."""

    message: bytes
    input: Float32
    output: Float32
    shape: tuple[int, ...]
    """The shape of the output for one window."""


class SharedChild:
    """One child process with the models of one accelerator; ends with its last engine.

    Its engines may be used by several threads; windows run one at a time.
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
            files: verified, by their numbers for `engine`; the child runs their
                bytes.
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
        self._refused: dict[int, Reason | None] = {}
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
        """Return whether it was killed because it did not answer in time."""
        return self._child.hung

    def open(self, open_s: float, cancel: threading.Event | None = None) -> None:
        """Wait until every model has run once or was refused.

        Args:
            open_s: deadline.
            cancel: set it to stop waiting.

        Raises:
            DelegateError: the accelerator does not open, or not in time, or no
                model runs on it; the child is ended.
        """
        with ExitStack() as undo:
            undo.callback(self._child.end, patience_s=0)
            answer = self._child.answer(open_s, cancel)
            undo.pop_all()
        reasons = msgspec.json.decode(answer[1:], type=list[Reason | None])
        self._refused = dict(zip(self._models, reasons, strict=True))

    def engine(self, number: int) -> ChildEngine | None:
        """Return an engine for one of the models; None when the child has ended.

        Raises:
            DelegateError: this model was refused; the others may run.
        """
        if reason := self._refused.get(number):
            raise DelegateError(*reason)
        with self._lock:
            if self._child.ended or number not in self._models:
                return None
            self._users += 1
            return ChildEngine(self, number)

    def run(self, number: int, features: Float32) -> Inference:
        """Run a model on `features` (n, inputs) float32, one window at a time.

        `invoke_ns` includes the way to the child and back.

        Raises:
            DelegateError: the child died, did not answer in time, or failed.
        """
        start_ns = time.perf_counter_ns()
        message, shared_input, shared_output, shape = self._models[number]
        outputs = np.empty((len(features), len(shared_output)), np.float32)
        quantise_ns = 0
        for window, output in zip(features, outputs, strict=True):
            with self._lock:
                shared_input[:] = window
                self._child.ask(message)
                answer = self._child.answer(self._invoke_s)
                output[:] = shared_output
            quantise_ns += NANOSECONDS.unpack(answer)[1]
        elapsed_ns = time.perf_counter_ns() - start_ns
        outputs = outputs.reshape(len(features), *shape)
        return Inference(outputs, quantise_ns, elapsed_ns - quantise_ns)

    def leave(self) -> None:
        """Remove one engine; after the last one end the child."""
        with self._lock:
            self._users -= 1
            if not self._users:
                self._child.end(patience_s=END_S)

    def end(self) -> None:
        """Let the child release the device and end; kill it after 2 s."""
        with self._lock:
            self._child.end(patience_s=END_S)

    def _lay_out(self, memory: int, files: Mapping[int, ModelFile]) -> tuple[Area, ...]:
        """Write the files into shared memory, each with space for a window."""
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
        self._models: dict[int, _SharedModel] = {}
        for i, (number, file) in enumerate(files.items()):
            area = areas[i]
            shared[area.file] = file.data
            self._models[number] = _SharedModel(
                bytes([i]),
                np.frombuffer(shared, np.float32, area.inputs, area.start),
                np.frombuffer(shared, np.float32, area.outputs, area.output_start),
                file.outputs[0].shape[1:],
            )
        return tuple(areas)


class ChildEngine:
    """One model in a child. After a DelegateError another engine is needed."""

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
        """Leave the child, which ends with its last engine."""
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
    """Open one model in a separate child; arguments as for `SharedChild`.

    Raises:
        DelegateError: the accelerator does not open, or not in time.
    """
    child = SharedChild({0: file}, accelerator, invoke_s=invoke_s)
    child.open(open_s, cancel)
    engine = child.engine(0)
    assert engine is not None  # noqa: S101 - it has just been opened
    return engine
