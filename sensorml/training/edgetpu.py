"""Whether edgetpu_compiler will map a model to the Edge TPU, all of it.

The compiler runs on x86-64 only, is not part of this program and tells only
afterwards; it has the last word, since some operators have limits of their own.
Sources: Coral, "TensorFlow models on the Edge TPU", model requirements and
supported operations; versions: TensorFlow, `lite/tools/versioning/op_version.cc`,
that of the plain 8-bit form. Of FULLY_CONNECTED version 4 is known to be mapped
and version 9 not to be.
"""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Final

from sensorml.inference.operators import name
from sensorml.inference.tflite_file import ModelFile, Op
from sensorml.pipeline.model_card import CPU_FILE

DTYPES: Final = ("int8", "uint8")
ON_CHIP_BYTES: Final = 8_000_000
"""What the chip keeps of a model; the rest travels with every window."""

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
"""The newest version of each operator that is known to be mapped."""


def why_not(file: ModelFile) -> str | None:
    """Say what keeps some of a model on the CPU, or return None.

    The first operator that is not mapped ends the part for the Edge TPU.
    """
    for role, tensors in (("input", file.inputs), ("output", file.outputs)):
        for tensor in tensors:
            if tensor.dtype not in DTYPES:
                return f"its {role} is {tensor.dtype}: quantise it fully to int8"
    for tensor in file.tensors:
        if tensor.dynamic:
            return f"tensor {tensor.name} has no fixed shape: give it a batch of 1"
    for number, op in enumerate(file.ops, 1):
        if why := _why_not(op):
            which = f"operator {number} of {len(file.ops)}, {name(op)}"
            return f"{which}, {why}: it and all after it stay on the CPU"
    return None


def report(file: ModelFile) -> str:
    """Say in a line what the compiler will make of a model."""
    if why := why_not(file):
        return f"not all of it: {why}"
    counted = Counter(f"{name(op)} v{op.version}" for op in file.ops)
    ops = ", ".join(f"{op} × {count}" for op, count in counted.items())
    size = sum(file.buffers)
    held = f"{size / 1e3:.0f} kB of {ON_CHIP_BYTES / 1e6:.0f} MB of parameters"
    slow = "" if size <= ON_CHIP_BYTES else ", the rest travels with every window"
    many = "operator" if len(file.ops) == 1 else "operators"
    return f"{len(file.ops)} {many}, all supported: {ops}; {held}{slow}"


def commands(folder: Path) -> tuple[str, str]:
    """Return what compiles a folder's model, on x86-64, and what adds the result."""
    path, place = shlex.quote(str(folder / CPU_FILE)), shlex.quote(str(folder))
    made = f"{Path(CPU_FILE).stem}_edgetpu.tflite"  # where the compiler is started
    return (
        f"edgetpu_compiler {path}",
        f"sensorml train --pair {made} --out {place}",
    )


def _why_not(op: Op) -> str | None:
    newest = _NEWEST.get(name(op))
    if newest is None:
        return "is not known to be supported"
    if op.version > newest:
        return f"is v{op.version} where only up to v{newest} is known to be supported"
    for dtype in op.dtypes:
        if dtype not in _INSIDE:
            return f"works on {dtype}"
    return None
