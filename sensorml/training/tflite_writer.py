"""Chains of dense layers as .tflite bytes, float32 or full int8, from numpy.

Only FULLY_CONNECTED is used, in the lowest version that suffices (1 for float32, 4
for int8), which every TFLite runtime and edgetpu_compiler support.
Slot and operator numbers: TensorFlow Lite `schema.fbs`, version 3; rules of
int8: "LiteRT 8-bit quantization specification" (weights symmetric, per tensor because
per channel needs version 12; int32 biases; activations asymmetric).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from sensorml.types import Float32

_FULLY_CONNECTED: Final = 9  # BuiltinOperator
_FULLY_CONNECTED_OPTIONS: Final = 8  # BuiltinOptions
_RELU: Final = 1  # ActivationFunctionType
_TENSOR_TYPES: Final = {"float32": 0, "int32": 2, "int8": 9}
_ALIGN: Final = 16  # of constant data, required by the schema
_SCALARS: Final[dict[str, Callable[[flatbuffers.Builder, int, int, None], None]]] = {
    "|i1": flatbuffers.Builder.PrependInt8Slot,
    "|u1": flatbuffers.Builder.PrependUint8Slot,
    "<i4": flatbuffers.Builder.PrependInt32Slot,
    "<u4": flatbuffers.Builder.PrependUint32Slot,
}

Array: TypeAlias = NDArray[np.generic]
Value: TypeAlias = "np.generic | Array | str | Node | list[Node]"
Node: TypeAlias = dict[int, Value]
"""A FlatBuffers table: values by slot number, written in this order."""


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """One layer: y = weight @ x + bias, then max(y, 0) where `relu`."""

    weight: Float32
    """Shape (outputs, inputs)."""
    bias: Float32
    """Shape (outputs,)."""
    relu: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """The real numbers of int8 values: real = scale × (int8 - zero_point)."""

    scale: float
    zero_point: int

    @classmethod
    def covering(cls, low: float, high: float) -> Scale:
        """Spread the 256 steps over a range and 0, which is represented exactly.

        >>> Scale.covering(-1.0, 4.1)
        Scale(scale=0.02, zero_point=-78)
        """
        low, high = min(low, 0.0), max(high, 0.0)
        # Rounded: the last bits of a sum must not change the file.
        scale = float(f"{max((high - low) / 255, 1e-9):.6g}")
        return cls(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


@dataclass(frozen=True, slots=True, eq=False)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: Scale | None = None
    data: Array | None = None


def float_model(layers: Sequence[Dense]) -> bytes:
    """Return the layers as a float32 model."""
    tensors = [_Tensor("input", (1, layers[0].weight.shape[1]), "float32")]
    for i, layer in enumerate(layers):
        weight = np.ascontiguousarray(layer.weight, np.float32)
        bias = np.ascontiguousarray(layer.bias, np.float32)
        tensors += [
            _Tensor(f"weight{i}", weight.shape, "float32", data=weight),
            _Tensor(f"bias{i}", bias.shape, "float32", data=bias),
            _Tensor(f"dense{i}", (1, len(bias)), "float32"),
        ]
    return _write(tensors, [layer.relu for layer in layers], version=1)


def int8_model(layers: Sequence[Dense], activations: Sequence[Scale]) -> bytes:
    """Return the layers as an int8 model, with int8 input and output.

    Args:
        layers: at least one.
        activations: the scale of the input and of every layer's output.
    """
    input_scale = activations[0]
    tensors = [_Tensor("input", (1, layers[0].weight.shape[1]), "int8", input_scale)]
    for i, (layer, output_scale) in enumerate(
        zip(layers, activations[1:], strict=True)
    ):
        largest = float(np.abs(layer.weight).max())
        scale = Scale(float(np.float32(max(largest, 1e-9) / 127)), 0)
        weight = np.rint(layer.weight / scale.scale).clip(-127, 127).astype(np.int8)
        # Biases are added to products, so they have the scale of the products.
        sums = Scale(input_scale.scale * scale.scale, 0)
        limit = 2.0**31 - 1
        bias = np.rint(layer.bias.astype(np.float64) / sums.scale).clip(-limit, limit)
        tensors += [
            _Tensor(f"weight{i}", weight.shape, "int8", scale, weight),
            _Tensor(f"bias{i}", bias.shape, "int32", sums, bias.astype(np.int32)),
            _Tensor(f"dense{i}", (1, len(bias)), "int8", output_scale),
        ]
        input_scale = output_scale
    return _write(tensors, [layer.relu for layer in layers], version=4)


def _write(tensors: Sequence[_Tensor], relus: Sequence[bool], *, version: int) -> bytes:
    """Write a chain; tensors: input, then weight, bias and output of every layer."""
    # Number 0 is the empty buffer, that of all tensors without data. The file ends
    # with it: if padding were the end, a truncated file could pass unnoticed.
    buffers: list[Node] = [{}]
    nodes: list[Node] = []
    for tensor in tensors:
        buffer = 0
        if tensor.data is not None:
            buffer = len(buffers)
            buffers.append({0: tensor.data.reshape(-1).view(np.uint8)})
        nodes.append(_tensor(tensor, buffer))
    operators: list[Node] = [
        {
            1: _ints(3 * i, 3 * i + 1, 3 * i + 2),
            2: _ints(3 * i + 3),
            3: np.uint8(_FULLY_CONNECTED_OPTIONS),
            4: {0: np.int8(_RELU)} if relu else {},
        }
        for i, relu in enumerate(relus)
    ]
    code: Node = {
        0: np.int8(_FULLY_CONNECTED),
        2: np.int32(version),
        3: np.int32(_FULLY_CONNECTED),
    }
    graph: Node = {
        0: nodes,
        1: _ints(0),
        2: _ints(len(nodes) - 1),
        3: operators,
        4: "main",
    }
    model: Node = {
        4: buffers,
        0: np.uint32(3),
        1: [code],
        2: [graph],
        3: "sensorml",
    }
    builder = flatbuffers.Builder()
    builder.Finish(_table(builder, model), b"TFL3")
    return bytes(builder.Output())


def _tensor(tensor: _Tensor, buffer: int) -> Node:
    node: Node = {
        0: _ints(*tensor.shape),
        1: np.int8(_TENSOR_TYPES[tensor.dtype]),
        2: np.uint32(buffer),
        3: tensor.name,
    }
    if tensor.scale is not None:
        node[4] = {
            2: np.array([tensor.scale.scale], np.float32),
            3: np.array([tensor.scale.zero_point], np.int64),
        }
    return node


def _ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def _table(builder: flatbuffers.Builder, node: Node) -> int:
    """Write a table after its children; return its offset.

    The type of a value decides how it is written: numpy scalars in the table, arrays
    and text as vectors, dictionaries as tables.
    """
    children = {
        slot: _child(builder, value)
        for slot, value in node.items()
        if not isinstance(value, np.generic)
    }
    builder.StartObject(max(node, default=-1) + 1)
    for slot, value in node.items():
        if isinstance(value, np.generic):
            _SCALARS[value.dtype.str](builder, slot, value.item(), None)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, children[slot], 0)
    return int(builder.EndObject())


def _child(builder: flatbuffers.Builder, value: Value) -> int:
    if isinstance(value, dict):
        return _table(builder, value)
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, list):
        tables = [_table(builder, item) for item in value]
        builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            builder.PrependUOffsetTRelative(table)
        return int(builder.EndVector())
    if value.dtype == np.uint8:
        builder.Prep(_ALIGN, value.nbytes)
    return int(builder.CreateNumpyVector(value))
