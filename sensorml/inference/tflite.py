"""The TFLite interpreter: the only file that imports a TFLite runtime.

ai-edge-litert comes first; tflite-runtime, its predecessor, is what a 32-bit
Pi has. Both have the same `Interpreter`, and what they do badly ends here:
damaged files that kill the process, an import that works where nothing after
it will, error texts that grow, chatter on stderr.
"""

from __future__ import annotations

import base64
import contextlib
import time
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np

from sensorml.errors import DelegateError, ModelError
from sensorml.inference import stderr as chatter
from sensorml.inference.delegate_library import Accelerator, load, refusal
from sensorml.inference.interpreter import Interpreter, Runtime, first_line
from sensorml.inference.quantisation import from_tensor, to_tensor
from sensorml.inference.tflite_file import ModelFile, read, why_not
from sensorml.interfaces import Inference
from sensorml.pipeline.model_card import Card
from sensorml.types import Float32

BATCH: Final = 64
"""Windows per call when many wait, as in `sensorml score`."""
_WORTH_A_BATCH: Final = 8  # fewer windows than this are run one at a time
# A graph without operators: its one tensor is both input and output.
_TINY: Final = base64.b64decode(
    "GAAAAFRGTDMAAA4AEAAIAAAABAAAAAwADgAAAAwAAAADAAAAXAAAAAEAAAAQAAAA"
    "AAAKABAADAAIAAQACgAAAAwAAAAQAAAAFAAAAAEAAAAAAAAAAQAAAAAAAAABAAAA"
    "DAAAAAgADAAIAAcACAAAAAAAAAAEAAAAAQAAAAEAAAABAAAACAAAAAQABAAEAAAA"
)
_CHATTER: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate"

_clock = time.perf_counter_ns


class RuntimeInfo(NamedTuple):
    """Which TFLite runtime there is."""

    name: str
    version: str


def _runtime() -> tuple[Runtime, str]:
    """Import the runtime that is there; return it and its name.

    Raises:
        DelegateError: there is none, or the one there cannot work.
    """
    try:
        from ai_edge_litert import interpreter

        return cast("Runtime", interpreter), "ai-edge-litert"
    except ModuleNotFoundError:
        return _tflite_runtime(), "tflite-runtime"


def _tflite_runtime() -> Runtime:
    try:
        from tflite_runtime import interpreter
    except ModuleNotFoundError:
        raise DelegateError(
            "no TFLite runtime is installed",
            "install ai-edge-litert, or, on a 32-bit Pi with Python 3.11, the extra "
            "sensorml[tflite-runtime]",
        ) from None
    if not np.__version__.startswith("1."):
        raise DelegateError(
            f"tflite-runtime dies with numpy {np.__version__}", "install numpy<2"
        )
    return cast("Runtime", interpreter)


def runtime() -> RuntimeInfo:
    """Say which TFLite runtime works, having built an interpreter with it.

    Raises:
        DelegateError: none does; the message says why.
    """
    from importlib.metadata import version

    _, name = _runtime()
    info = RuntimeInfo(name, version(name))
    try:
        _interpreter(_TINY, threads=1, accelerator=None)
    except (SystemError, ModelError) as err:
        raise DelegateError(
            f"{info.name} {info.version} is installed and cannot build an "
            f"interpreter ({first_line(err)})",
            "install it again",
        ) from err
    return info


def _interpreter(
    content: bytes, *, threads: int, accelerator: Accelerator | None, batch: int = 1
) -> Interpreter:
    """Make an interpreter that is ready to run.

    Raises:
        ModelError: the runtime refuses the model.
        DelegateError: the accelerator cannot be used.
    """
    module, _ = _runtime()
    delegates = [load(module, accelerator)] if accelerator else None
    # What an accelerator's library says before it aborts must not be held back.
    with contextlib.nullcontext() if accelerator else chatter.without(_CHATTER):
        try:
            made = module.Interpreter(
                model_content=content,
                num_threads=threads,
                experimental_delegates=delegates,
            )
            if batch > 1:
                given = made.get_input_details()[0]
                shape = [batch, *given["shape"][1:]]
                made.resize_tensor_input(given["index"], shape)
            made.allocate_tensors()
        except (ValueError, RuntimeError) as err:
            raise refusal(first_line(err), accelerator) from err
    return made


class _Runner:
    """One interpreter for one number of windows."""

    def __init__(self, interpreter: Interpreter, file: ModelFile, batch: int) -> None:
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]
        self._to_tensor = to_tensor(file.inputs[0], batch)
        self._from_tensor = from_tensor(file.outputs[0])

    def run(self, rows: Float32) -> Inference:
        begun = _clock()
        given = self._to_tensor(rows)
        ready = _clock()
        self._interpreter.set_tensor(self._input, given)
        self._interpreter.invoke()
        made = self._interpreter.get_tensor(self._output)
        done = _clock()
        outputs = self._from_tensor(made)
        return Inference(outputs, ready - begun + _clock() - done, done - ready)


class TfliteEngine:
    """A verified model on the CPU, or behind an external delegate.

    A window at a time goes through one interpreter; many at once go through a
    second one that takes 64, made when first wanted, with the same results.
    """

    def __init__(
        self, file: ModelFile, threads: int, accelerator: Accelerator | None
    ) -> None:
        self.delegate = accelerator.name if accelerator else "cpu"
        self.degraded = False
        self.why = ""
        self._file = file
        self._threads = threads
        self._accelerator = accelerator
        # A model that was compiled for an accelerator has one shape only.
        self._may_batch = accelerator is None
        self._one: _Runner | None = self._open(1)
        self._many: _Runner | None = None

    @classmethod
    def load(
        cls,
        path: Path,
        card: Card,
        *,
        threads: int = 1,
        accelerator: Accelerator | None = None,
    ) -> TfliteEngine:
        """Verify a .tflite file against its card and make it ready to run.

        Raises:
            ModelError: the file is damaged, does not fit the card, or holds
                operators that the runtime lacks.
            DelegateError: there is no runtime, or the accelerator does not open.
        """
        file = read(path)
        if file.edgetpu and accelerator is None:
            raise ModelError(
                f"{path}: compiled for the Edge TPU, needs the delegate: use the CPU "
                "file of the pair"
            )
        if why := why_not(file, card):
            raise ModelError(f"{path}: {why}")
        try:
            return cls(file, threads, accelerator)
        except ModelError as err:
            raise ModelError(f"{path}: {err}") from err

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs) float32, n >= 1.

        `quantise_ns` is the way to the model's integers and back.

        Raises:
            DelegateError: the runtime failed; the next call starts it afresh.
        """
        try:
            one = self._one = self._one or self._open(1)
            if len(features) == 1:
                return one.run(features)
            return self._infer_many(one, features)
        except RuntimeError as err:
            # Its text repeats itself, a line longer with every failure.
            self.close()
            why = f"{self.delegate}: {first_line(err)}"
            cure = self._accelerator.restart if self._accelerator else ""
            raise DelegateError(why, cure) from None

    def close(self) -> None:
        """Free the interpreters."""
        self._one = self._many = None

    def _open(self, batch: int) -> _Runner:
        interpreter = _interpreter(
            self._file.data,
            threads=self._threads,
            accelerator=self._accelerator,
            batch=batch,
        )
        return _Runner(interpreter, self._file, batch)

    def _infer_many(self, one: _Runner, features: Float32) -> Inference:
        parts: list[Inference] = []
        many = self._batches(one, features) if len(features) >= _WORTH_A_BATCH else None
        at = 0
        while at < len(features):
            rows = features[at : at + BATCH]
            if many and len(rows) == BATCH:
                parts.append(many.run(rows))
            elif many and len(rows) >= _WORTH_A_BATCH:
                done = many.run(np.resize(rows, (BATCH, rows.shape[1])))
                parts.append(done._replace(outputs=done.outputs[: len(rows)]))
            else:
                parts += [one.run(row) for row in rows[:, None]]
            at += len(rows)
        return Inference(
            np.concatenate([part.outputs for part in parts]),
            sum(part.quantise_ns for part in parts),
            sum(part.invoke_ns for part in parts),
        )

    def _batches(self, one: _Runner, features: Float32) -> _Runner | None:
        """Return the runner for 64 windows; None for a model that has no such form.

        Some graphs refuse another shape, others take it and mix up the rows.
        """
        if self._many is None and self._may_batch:
            self._may_batch = False  # unless it is seen to work
            rows = np.resize(features, (BATCH, features.shape[1]))
            try:
                many = self._open(BATCH)
                made = many.run(rows).outputs
            except (ModelError, RuntimeError):
                return None
            singly = [one.run(rows[i][None]).outputs for i in (0, BATCH - 1)]
            if len(made) == BATCH and _same(made[[0, -1]], np.concatenate(singly)):
                self._many = many
                self._may_batch = True
        return self._many


def _same(a: Float32, b: Float32) -> bool:
    """Whether outputs are equal but for the order of float32 sums."""
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5 * float(np.abs(b).max())))
