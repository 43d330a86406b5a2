"""The TFLite interpreter: the only file that imports a TFLite runtime.

ai-edge-litert is preferred; tflite-runtime, its predecessor, exists for 32-bit
boards. Both have the same `Interpreter`. Their defects are handled here: damaged
files that kill the process, an import that succeeds where the interpreter cannot
work, error texts that grow, messages on stderr.
"""

from __future__ import annotations

import base64
import contextlib
import time
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np

from sensorml.errors import DelegateError, ModelError
from sensorml.inference import stderr
from sensorml.inference.delegate_library import Accelerator, load, refusal
from sensorml.inference.interpreter import Interpreter, Runtime, first_line
from sensorml.inference.quantisation import from_tensor, to_tensor
from sensorml.inference.tflite_file import ModelFile, read, why_not
from sensorml.interfaces import Inference
from sensorml.pipeline.model_card import Card
from sensorml.types import Float32

BATCH: Final = 64
"""Windows per call when many are waiting, as in `sensorml score`."""
_LEAST_BATCH: Final = 8  # fewer windows are run one at a time
# A graph without operators: its one tensor is both input and output.
_TINY: Final = base64.b64decode(
    "GAAAAFRGTDMAAA4AEAAIAAAABAAAAAwADgAAAAwAAAADAAAAXAAAAAEAAAAQAAAA"
    "AAAKABAADAAIAAQACgAAAAwAAAAQAAAAFAAAAAEAAAAAAAAAAQAAAAAAAAABAAAA"
    "DAAAAAgADAAIAAcACAAAAAAAAAAEAAAAAQAAAAEAAAABAAAACAAAAAQABAAEAAAA"
)
_BANNER: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate"

_clock = time.perf_counter_ns


class RuntimeInfo(NamedTuple):
    """Name and version of the TFLite runtime."""

    name: str
    version: str


def _runtime() -> tuple[Runtime, str]:
    """Import the installed runtime; return it and its name.

    Raises:
        DelegateError: there is none, or it cannot work.
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
            f"tflite-runtime does not work with numpy {np.__version__}",
            "install numpy<2",
        )
    return cast("Runtime", interpreter)


def runtime() -> RuntimeInfo:
    """Return the TFLite runtime, after building an interpreter with it.

    Raises:
        DelegateError: none works; with the reason.
    """
    from importlib.metadata import version

    _, name = _runtime()
    info = RuntimeInfo(name, version(name))
    try:
        _interpreter(_TINY, threads=1, accelerator=None)
    except (SystemError, ModelError) as err:
        raise DelegateError(
            f"{info.name} {info.version} is installed but cannot build an "
            f"interpreter ({first_line(err)})",
            "install it again",
        ) from err
    return info


def _interpreter(
    content: bytes, *, threads: int, accelerator: Accelerator | None, batch: int = 1
) -> Interpreter:
    """Return an interpreter that is ready to run.

    Raises:
        ModelError: the runtime refuses the model.
        DelegateError: the accelerator cannot be used.
    """
    module, _ = _runtime()
    delegates = [load(module, accelerator)] if accelerator else None
    # The last message of an accelerator's library before an abort must get out.
    with contextlib.nullcontext() if accelerator else stderr.without(_BANNER):
        try:
            interpreter = module.Interpreter(
                model_content=content,
                num_threads=threads,
                experimental_delegates=delegates,
            )
            if batch > 1:
                tensor = interpreter.get_input_details()[0]
                shape = [batch, *tensor["shape"][1:]]
                interpreter.resize_tensor_input(tensor["index"], shape)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as err:
            raise refusal(first_line(err), accelerator) from err
    return interpreter


class _Runner:
    """One interpreter for a fixed number of windows."""

    def __init__(self, interpreter: Interpreter, file: ModelFile, batch: int) -> None:
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]
        self._to_tensor = to_tensor(file.inputs[0], batch)
        self._from_tensor = from_tensor(file.outputs[0])

    def run(self, rows: Float32) -> Inference:
        start_ns = _clock()
        input_values = self._to_tensor(rows)
        quantised_ns = _clock()
        self._interpreter.set_tensor(self._input, input_values)
        self._interpreter.invoke()
        output_values = self._interpreter.get_tensor(self._output)
        invoked_ns = _clock()
        outputs = self._from_tensor(output_values)
        quantise_ns = quantised_ns - start_ns + _clock() - invoked_ns
        return Inference(outputs, quantise_ns, invoked_ns - quantised_ns)


class TfliteEngine:
    """A verified model on the CPU, or behind an external delegate.

    Single windows run in one interpreter; many at once run in a second one that
    takes 64, built at first use, with the same results.
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
        # A model that was compiled for an accelerator has a fixed shape.
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
        """Verify a .tflite file against its card and return an engine for it.

        Raises:
            ModelError: the file is damaged, does not fit the card, or holds
                operators that the runtime lacks.
            DelegateError: there is no runtime, or the accelerator does not open.
        """
        file = read(path)
        if file.edgetpu and accelerator is None:
            raise ModelError(
                f"{path}: compiled for the Edge TPU, needs the delegate",
                "use the CPU file of the pair",
            )
        if reason := why_not(file, card):
            raise ModelError(f"{path}: {reason.what}", reason.cure)
        try:
            return cls(file, threads, accelerator)
        except ModelError as err:
            raise ModelError(f"{path}: {err.reason.what}", err.reason.cure) from err

    def infer(self, features: Float32) -> Inference:
        """Run the model on `features` (n, inputs) float32, n >= 1.

        `quantise_ns` is the conversion to the model's integers and back.

        Raises:
            DelegateError: the runtime failed; the next call opens it again.
        """
        try:
            one = self._one = self._one or self._open(1)
            if len(features) == 1:
                return one.run(features)
            return self._infer_many(one, features)
        except RuntimeError as err:
            # The text grows by a line with every failure.
            self.close()
            what = f"{self.delegate}: {first_line(err)}"
            cure = self._accelerator.restart if self._accelerator else ""
            raise DelegateError(what, cure) from None

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
        many = self._batches(one, features) if len(features) >= _LEAST_BATCH else None
        at = 0
        while at < len(features):
            rows = features[at : at + BATCH]
            if many and len(rows) == BATCH:
                parts.append(many.run(rows))
            elif many and len(rows) >= _LEAST_BATCH:
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
        """Return the runner for 64 windows; None for a model that cannot be batched.

        Some graphs refuse another shape, others accept it and mix up the rows.
        """
        if self._many is None and self._may_batch:
            self._may_batch = False  # until the results agree
            rows = np.resize(features, (BATCH, features.shape[1]))
            try:
                many = self._open(BATCH)
                outputs = many.run(rows).outputs
            except (ModelError, RuntimeError):
                return None
            singly = [one.run(rows[i][None]).outputs for i in (0, BATCH - 1)]
            if len(outputs) == BATCH and _same(
                outputs[[0, -1]], np.concatenate(singly)
            ):
                self._many = many
                self._may_batch = True
        return self._many


def _same(a: Float32, b: Float32) -> bool:
    """Return whether outputs are equal up to the order of float32 sums."""
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5 * float(np.abs(b).max())))
