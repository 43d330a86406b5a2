"""A forecast of what edgetpu_compiler maps to the Edge TPU.

The compiler runs on x86-64 only and is not part of this program. Its own result
decides, since some operators have further limits.
Sources: Coral, "TensorFlow models on the Edge TPU", model requirements and supported
operations; versions: TensorFlow, `lite/tools/versioning/op_version.cc`, those of the
plain 8-bit form. Version 4 of FULLY_CONNECTED was mapped in a test, version 9 was not.
"""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Final

from sensorml.errors import Reason
from sensorml.inference.operators import name
from sensorml.inference.tflite_file import ModelFile, Op
from sensorml.pipeline.model_card import CPU_FILE

DTYPES: Final = ("int8", "uint8")
ON_CHIP_BYTES: Final = 8_000_000
"""Parameters that the chip holds; the rest is transferred for every window."""

_INSIDE: Final = {*DTYPES, "int32"}  # biases, shapes, axes
_NEWEST: Final = {
    **dict.fromkeys(("EXPAND_DIMS", "PRELU", "QUANTIZE", "RELU_N1_TO_1"), 1),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM"), 1),
    **dict.fromkeys(("ADD", "AVERAGE_POOL_2D", "CONCATENATION"), 2),
    **dict.fromkeys(("L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D"), 2),
    **dict.fromkeys(("MEAN", "MINIMUM", "MUL", "PACK", "PAD", "REDUCE_MAX"), 2),
    **dict.fromkeys(("REDUCE_MIN", "RELU", "RELU6", "RESIZE_BILINEAR"), 2),
    **dict.fromkeys(("RESIZE_NEAREST_NEIGHBOR", "SLICE", "SOFTMAX"), 2),
    **dict.fromkeys(("SPACE_TO_DEPTH", "SPLIT", "STRIDED_SLICE", "SUB"), 2),
    **dict.fromkeys(("TANH", "TRANSPOSE", "TRANSPOSE_CONV"), 2),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), 3),
    "FULLY_CONNECTED": 4,
}
"""The newest version of each operator that the sources list as mapped."""


def why_not(file: ModelFile) -> Reason | None:
    """Return why a part of a model stays on the CPU, or None.

    The part for the Edge TPU ends before the first operator that is not mapped.
    """
    for role, tensors in (("input", file.inputs), ("output", file.outputs)):
        for tensor in tensors:
            if tensor.dtype not in DTYPES:
                what = f"its {role} is {tensor.dtype}"
                return Reason(what, "quantise it fully to int8")
    for tensor in file.tensors:
        if tensor.dynamic:
            what = f"tensor {tensor.name} has no fixed shape"
            return Reason(what, "give it a batch of 1")
    for number, op in enumerate(file.ops, 1):
        if why := _why_not(op):
            what = f"operator {number} of {len(file.ops)}, {name(op)}, {why}"
            return Reason(what, "it and all after it stay on the CPU")
    return None


def report(file: ModelFile) -> str:
    """Return in one line what the compiler is expected to map."""
    if why := why_not(file):
        return f"in part: {why}"
    counted = Counter(f"{name(op)} v{op.version}" for op in file.ops)
    ops = ", ".join(f"{op} × {count}" for op, count in counted.items())
    size = sum(file.buffers)
    held = f"{size / 1e3:.0f} kB of {ON_CHIP_BYTES / 1e6:.0f} MB of parameters"
    slow = "" if size <= ON_CHIP_BYTES else ", the rest is sent with every window"
    many = "operator" if len(file.ops) == 1 else "operators"
    return f"{len(file.ops)} {many}, all supported: {ops}; {held}{slow}"


def commands(folder: Path) -> tuple[str, str]:
    """Return the commands that compile a folder's model and add the result to it."""
    path, out = shlex.quote(str(folder / CPU_FILE)), shlex.quote(str(folder))
    compiled = f"{Path(CPU_FILE).stem}_edgetpu.tflite"  # in the current directory
    return (
        f"edgetpu_compiler {path}",
        f"sensorml train --pair {compiled} --out {out}",
    )


def _why_not(op: Op) -> str | None:
    newest = _NEWEST.get(name(op))
    if newest is None:
        return "is not listed as supported"
    if op.version > newest:
        return f"is v{op.version} and listed as supported up to v{newest}"
    for dtype in op.dtypes:
        if dtype not in _INSIDE:
            return f"works on {dtype}"
    return None
