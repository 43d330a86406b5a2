"""A model for the test delegate, and a CPU model that computes the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import flatbuffers
import numpy as np

from sensorml.inference.tflite_file import EDGETPU_OP
from sensorml.training.tflite_writer import (
    Dense,
    Scale,
    _ints,
    _table,
    _Tensor,
    _tensor,
    int8_model,
)

SCALE = Scale.covering(-4, 4)
_CUSTOM = 32  # BuiltinOperator


def build(folder: Path) -> Path:
    """Compile the delegate; return the path of its library."""
    library = folder / "libdelegate.so"
    source = Path(__file__).with_name("delegate.c")
    warnings = ("-Wall", "-Wextra", "-Werror")
    subprocess.run(
        ["gcc", "-O1", *warnings, "-shared", "-fPIC", "-o", library, source], check=True
    )
    return library


def cpu_model(features: int) -> bytes:
    """Return a model of y = x in int8, with weights of exactly 1 and equal scales."""
    identity = Dense(
        np.eye(features, dtype=np.float32), np.zeros(features, np.float32), relu=False
    )
    return int8_model([identity], [SCALE, SCALE])


def compiled_model(features: int, custom_op: str = EDGETPU_OP) -> bytes:
    """Return a model of one custom operator with int8 input and output."""
    tensors = [
        _tensor(_Tensor(name, (1, features), "int8", SCALE), 0)
        for name in ("input", "output")
    ]
    operator = {1: _ints(0), 2: _ints(1)}
    code = {
        0: np.int8(_CUSTOM),
        1: custom_op,
        2: np.int32(1),
        3: np.int32(_CUSTOM),
    }
    graph = {0: tensors, 1: _ints(0), 2: _ints(1), 3: [operator], 4: "main"}
    model = {4: [{}], 0: np.uint32(3), 1: [code], 2: [graph], 3: "sensorml tests"}
    builder = flatbuffers.Builder()
    builder.Finish(_table(builder, model), b"TFL3")
    return bytes(builder.Output())
