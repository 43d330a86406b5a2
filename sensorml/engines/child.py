"""An engine in a process of its own, for delegates that hang or crash.

libedgetpu aborts its process when the stick is unplugged, and an `invoke` may
never return. Here that is a `DelegateError` with the reason in words, and the
process is gone. Windows and outputs lie in memory that both share; a message
of a byte says "run it".
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from sensorml.cards import Card
from sensorml.engines.child_main import FLOAT_BYTES, NANOSECONDS, Job
from sensorml.engines.modelfile import ModelFile, read, why_not
from sensorml.engines.process import END_S, Child
from sensorml.engines.tflite import Accelerator
from sensorml.errors import DelegateError, ModelError
from sensorml.interfaces import Inference
from sensorml.types import Float32

OPEN_S: Final = 20.0
"""An Edge TPU opens in 2 to 3 s; the rest is a slow SD card."""
INVOKE_S: Final = 1.0


class ChildEngine:
    """A model behind an accelerator, in a child process.

    After a DelegateError it is closed: make another.
    """

    def __init__(
        self,
        file: ModelFile,
        accelerator: Accelerator,
        *,
        threads: int = 1,
        open_s: float = OPEN_S,
        invoke_s: float = INVOKE_S,
        cancel: threading.Event | None = None,
    ) -> None:
        """Start the process and wait until the model has run once.

        Args:
            file: verified; its bytes are what the child runs.
            accelerator: what the child loads.
            threads: for the operators that stay on the CPU.
            open_s: deadline for the opening.
            invoke_s: deadline for each window.
            cancel: set it to give up an opening early.

        Raises:
            DelegateError: the accelerator does not open, or not in time.
        """
        self.delegate = accelerator.name
        self._invoke_s = invoke_s
        self._shape = file.outputs[0].shape[1:]
        inputs, outputs = file.inputs[0].size, file.outputs[0].size
        try:
            with ExitStack() as stack:
                memory = os.memfd_create("sensorml-window")
                stack.callback(os.close, memory)
                os.truncate(memory, (inputs + outputs) * FLOAT_BYTES + len(file.data))
                shared = mmap.mmap(memory, 0)
                shared[-len(file.data) :] = file.data
                self._given = np.frombuffer(shared, np.float32, inputs)
                self._made = np.frombuffer(
                    shared, np.float32, outputs, self._given.nbytes
                )
                job = Job(
                    delegate=accelerator.name,
                    library=accelerator.library,
                    options=dict(accelerator.options),
                    threads=threads,
                    memory=memory,
                    inputs=inputs,
                    outputs=outputs,
                )
                self._child = Child(
                    self.delegate,
                    "sensorml.engines.child_main",
                    msgspec.json.encode(job).decode(),
                    inherit=memory,
                )
        except OSError as err:
            raise DelegateError(
                f"{self.delegate}: no process could be started for it "
                f"({err.strerror}): free some memory"
            ) from err
        with ExitStack() as undo:
            undo.callback(self._child.end, patience_s=0)
            self._child.answer(open_s, cancel)
            undo.pop_all()

    @classmethod
    def load(
        cls,
        path: Path,
        card: Card,
        accelerator: Accelerator,
        *,
        cancel: threading.Event | None = None,
    ) -> ChildEngine:
        """Verify a .tflite file against its card and open it in a child.

        Raises:
            ModelError: the file is damaged or does not fit the card.
            DelegateError: the accelerator does not open, or not in time.
        """
        file = read(path)
        if why := why_not(file, card):
            raise ModelError(f"{path}: {why}")
        return cls(file, accelerator, cancel=cancel)

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs) float32, one window at a time.

        `invoke_ns` holds the way to the child and back.

        Raises:
            DelegateError: the child died, did not answer in time, or said why
                it cannot go on.
        """
        begun = time.perf_counter_ns()
        outputs = np.empty((len(features), len(self._made)), np.float32)
        quantise_ns = 0
        for window, output in zip(features, outputs, strict=True):
            self._given[:] = window
            self._child.ask(b"?")
            answer = self._child.answer(self._invoke_s)
            quantise_ns += NANOSECONDS.unpack(answer)[1]
            output[:] = self._made
        elapsed_ns = time.perf_counter_ns() - begun
        outputs = outputs.reshape(len(features), *self._shape)
        return Inference(outputs, quantise_ns, elapsed_ns - quantise_ns)

    def close(self) -> None:
        """Let the child give the device back and end; after 2 s it is killed."""
        self._child.end(patience_s=END_S)
