"""A reader and verifier of .tflite files that needs no runtime.

tflite-runtime 2.14 crashes (SIGSEGV) on a truncated file, so every offset that a
runtime would follow is checked here first. Slot numbers are those of TensorFlow
Lite's `schema.fbs`, version 3. Operator options are followed where the schema
gives them vectors or text; those of StableHLO operators only as far as their
table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from sensorml.errors import ModelError, Reason
from sensorml.inference import flatbuffer
from sensorml.inference.flatbuffer import Buffer, Table
from sensorml.pipeline.extractor import extractor
from sensorml.pipeline.model_card import Card

IDENTIFIER: Final = b"TFL3"
EDGETPU_OP: Final = "edgetpu-custom-op"
CUSTOM: Final = 32
"""BuiltinOperator: the operator is identified by its name."""
DTYPES: Final = ("float32", "int8", "uint8")
"""Data types of inputs and outputs that an engine can run."""

_TYPES: Final[Sequence[tuple[str, int]]] = (  # TensorType: name, bits; 0: no size
    *(("float32", 32), ("float16", 16), ("int32", 32), ("uint8", 8), ("int64", 64)),
    *(("string", 0), ("bool", 8), ("int16", 16), ("complex64", 64), ("int8", 8)),
    *(("float64", 64), ("complex128", 128), ("uint64", 64), ("resource", 0)),
    *(("variant", 0), ("uint32", 32), ("uint16", 16), ("int4", 4), ("bfloat16", 16)),
)
_OPTION_VECTORS: Final = {  # BuiltinOptions: slot and element of each vector
    3: ((1, "i"), (2, "i")),  # ConcatEmbeddingsOptions
    8: ((5, "i"),),  # FullyConnectedOptions
    17: ((0, "i"),),  # ReshapeOptions
    30: ((0, "i"),),  # SqueezeOptions
    111: ((0, "B"), (1, "B")),  # VarHandleOptions
    115: ((0, "f"),),  # BucketizeOptions
}
_SPARSE_INDICES: Final = {1: "i", 2: "H", 3: "B"}  # SparseIndexVector

T = TypeVar("T")


class Op(NamedTuple):
    """One operator of a graph."""

    builtin: int
    """Number in BuiltinOperator."""
    custom: str
    """Name of the custom operator, or empty."""
    version: int
    dtypes: tuple[str, ...] = ()
    """Data types of its inputs, outputs and intermediates."""


class Tensor(NamedTuple):
    """One tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    dynamic: bool = False
    """True if a dimension is only determined at run time."""

    @property
    def size(self) -> int:
        """Elements of one row: all dimensions but the first, the batch."""
        return math.prod(self.shape[1:])


class ModelFile(NamedTuple):
    """Contents of a file; tensors are those of the main graph."""

    data: bytes
    """The verified bytes, to be given to the runtime."""
    ops: tuple[Op, ...]
    """Of all graphs, in the order they are run."""
    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    buffers: tuple[int, ...]
    """Length of each buffer in bytes."""

    @property
    def edgetpu(self) -> bool:
        """Return whether a part of it was compiled for the Edge TPU."""
        return any(op.custom == EDGETPU_OP for op in self.ops)


def read(path: Path) -> ModelFile:
    """Read and verify a .tflite file.

    Raises:
        ModelError: it cannot be read, is not a TFLite file, or is damaged.
    """
    try:
        return parse(flatbuffer.read(path, IDENTIFIER))
    except OSError as err:
        raise ModelError(f"{path}: {err.strerror}", "check the path") from err
    except ModelError as err:
        raise ModelError(f"{path}: {err.reason.what}", err.reason.cure) from err


def parse(data: bytes) -> ModelFile:
    """Verify the bytes of a .tflite file; raise ModelError as `read` does."""
    if data[4:8] != IDENTIFIER:
        raise ModelError("is not a TFLite file", "convert the model to .tflite")
    model = Buffer(data).root()
    if (version := model.number(0, "I")) != 3:
        raise ModelError(f"has schema version {version}", "convert it to version 3")
    codes = [_code(table) for table in model.tables(1)]
    buffers = [_buffer(table, len(data)) for table in model.tables(4)]
    graphs = [_graph(table, codes, buffers) for table in model.tables(2)]
    if not graphs:
        raise ModelError("holds no graph", "convert the model again")
    _extras(model, graphs, buffers)
    main = graphs[0]
    return ModelFile(
        data=data,
        ops=tuple(op for graph in graphs for op in graph.ops),
        tensors=main.tensors,
        inputs=main.inputs,
        outputs=main.outputs,
        buffers=tuple(buffers),
    )


class _Graph(NamedTuple):
    ops: tuple[Op, ...]
    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def _pick(items: Sequence[T], index: int, what: str) -> T:
    if not 0 <= index < len(items):
        raise ModelError(
            f"is damaged, it names {what} {index} of {len(items)}",
            "copy the file again",
        )
    return items[index]


def _code(table: Table) -> Op:
    # Numbers over 127 have a separate field since version 3a.
    builtin = max(table.number(0, "b"), table.number(3, "i"))
    return Op(builtin, table.text(1), table.number(2, "i", default=1))


def _buffer(table: Table, file_bytes: int) -> int:
    start, length = table.number(1, "Q"), table.number(2, "Q")
    if start > 1 and start + length > file_bytes:  # data behind the FlatBuffer
        raise ModelError(f"is cut off at byte {file_bytes}", "copy the file again")
    return length if start > 1 else table.length(0)


def _graph(table: Table, codes: Sequence[Op], buffers: Sequence[int]) -> _Graph:
    tensors = tuple(_tensor(each, buffers) for each in table.tables(0))

    def pick(indices: Sequence[int]) -> tuple[Tensor, ...]:
        return tuple(_pick(tensors, i, "tensor") for i in indices)

    ops: list[Op] = []
    for op in table.tables(3):
        code = _pick(codes, op.number(0, "I"), "operator")
        used: list[Tensor] = []
        for slot in (1, 2, 8):  # inputs, outputs, intermediates; -1: left out
            used += pick([i for i in op.vector(slot, "i") if i != -1])
        ops.append(code._replace(dtypes=tuple(tensor.dtype for tensor in used)))
        _options(op)
    table.text(4)
    return _Graph(
        tuple(ops), tensors, pick(table.vector(1, "i")), pick(table.vector(2, "i"))
    )


def _options(op: Table) -> None:
    """Check an operator's options, builtin and custom."""
    options, kind = op.table(4), op.number(3, "B")
    for slot, element in _OPTION_VECTORS.get(kind, ()):
        if options:
            options.vector(slot, element)
    op.length(5)
    op.length(7)
    op.table(12)


def _tensor(table: Table, buffers: Sequence[int]) -> Tensor:
    shape = table.vector(0, "i")
    dtype, bits = _pick(_TYPES, table.number(1, "b"), "tensor type")
    name = table.text(3)
    scale, zero_point = _quantisation(table.table(4))
    sparsity = table.table(6)
    if sparsity:
        _sparsity(sparsity)
    dynamic = -1 in table.vector(7, "i")
    for variant in table.tables(9):
        variant.vector(0, "i")
    held = _pick(buffers, table.number(2, "I"), "buffer")
    if min(shape, default=0) < 0:
        raise ModelError(
            f"is damaged, tensor {name!r} has shape {shape}", "copy the file again"
        )
    if held and bits and not sparsity and held * 8 < math.prod(shape) * bits:
        raise ModelError(
            f"is damaged, tensor {name!r} lacks data", "copy the file again"
        )
    return Tensor(name, shape, dtype, scale, zero_point, dynamic)


def _quantisation(table: Table | None) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if table is None:
        return (), ()
    table.floats(0)
    table.floats(1)
    details = table.table(5)
    if details and table.number(4, "B") == 1:  # CustomQuantization
        details.length(0)
    return table.floats(2), table.vector(3, "q")


def _sparsity(table: Table) -> None:
    table.vector(0, "i")
    table.vector(1, "i")
    for dimension in table.tables(2):
        for kind, slot in ((2, 3), (4, 5)):
            indices = dimension.table(slot)
            element = _SPARSE_INDICES.get(dimension.number(kind, "B"))
            if indices and element:
                indices.vector(0, element)


def _extras(model: Table, graphs: Sequence[_Graph], buffers: Sequence[int]) -> None:
    """Check the optional parts: description, metadata, signatures."""
    model.text(3)
    model.vector(5, "i")
    for metadata in model.tables(6):
        metadata.text(0)
        _pick(buffers, metadata.number(1, "I"), "buffer")
    for signature in model.tables(7):
        graph = _pick(graphs, signature.number(4, "I"), "graph")
        signature.text(2)
        for slot in (0, 1):
            for tensor in signature.tables(slot):
                tensor.text(0)
                _pick(graph.tensors, tensor.number(1, "I"), "tensor")


def why_not(file: ModelFile, card: Card) -> Reason | None:
    """Return the reason why the tensors do not fit the card, or None if they do."""
    if len(file.inputs) != 1 or not file.outputs:
        return Reason(
            f"it has {len(file.inputs)} inputs and {len(file.outputs)} outputs",
            "convert a model that takes one tensor and returns one",
        )
    input_, output = file.inputs[0], file.outputs[0]
    if why := _why_not_tensor(input_, "input") or _why_not_tensor(output, "output"):
        return why
    features = extractor(card.features, card.signal).size
    if input_.size != features:
        return Reason(
            f"its input takes {input_.size} values, the card's features are {features}"
        )
    labels = len(card.output.labels)
    if labels and output.size != labels:
        return Reason(
            f"its output has {output.size} values, the card names {labels} labels"
        )
    if card.score == "reconstruction" and output.size != input_.size:
        return Reason(
            f"its output has {output.size} values, a reconstruction {input_.size}"
        )
    return None


def _why_not_tensor(tensor: Tensor, role: str) -> Reason | None:
    if tensor.dtype not in DTYPES:
        return Reason(f"its {role} is {tensor.dtype}", f"use {', '.join(DTYPES)}")
    if not tensor.shape or tensor.shape[0] != 1:
        return Reason(
            f"its {role} has shape {tensor.shape}",
            "convert it with a first dimension (batch) of 1",
        )
    if tensor.dtype == "float32":
        return None
    if len(tensor.scale) != 1 or len(tensor.zero_point) != 1 or tensor.scale[0] <= 0:
        return Reason(
            f"its {role} is {tensor.dtype} without one scale and one zero point",
            "quantise it per tensor",
        )
    return None
