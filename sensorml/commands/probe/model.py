"""The probed model: a model folder, or a .tflite file without a card."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.delegates.descriptor import Delegate
from sensorml.delegates.qualification import ModelRequest, paired
from sensorml.errors import ModelError
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import DTYPES, ModelFile, read, why_not
from sensorml.pipeline import model_files
from sensorml.pipeline.model_card import CPU_FILE, EDGETPU_FILE

COMPILED: Final = "_edgetpu"
"""The suffix that edgetpu_compiler adds to a file's name."""


class ProbedModel(NamedTuple):
    """A model, and the file that each delegate would run."""

    path: Path
    cpu: ModelFile | None
    """None if only a file compiled for the Edge TPU is given."""
    compiled: ModelFile | None
    file_for: Callable[[Delegate], ModelFile]
    """Raises ModelError if the model has no file for a delegate."""
    note: str = ""
    """The file that the CPU runs, if that is not the given one."""


def load(path: Path) -> ProbedModel:
    """Read and verify a model folder, or a file and the other one of its pair.

    Raises:
        ModelError: it cannot be used at all.
        DelegateError: there is no TFLite runtime.
    """
    # Path.is_dir raises where the user has no permission.
    return _folder(path) if os.path.isdir(path) else _file(path)  # noqa: PTH112


def _folder(folder: Path) -> ProbedModel:
    path = folder / CPU_FILE
    cpu = read(path)
    card = model_files.load(folder)
    if reason := why_not(cpu, card):
        raise ModelError(f"{path}: {reason.what}", reason.cure)
    engine = TfliteEngine.load(path, card)
    request = ModelRequest(
        folder, card, engine, cpu, lambda _state, _previous, _why: None
    )

    def file_for(delegate: Delegate) -> ModelFile:
        return paired(request, delegate)

    return ProbedModel(folder, cpu, None, file_for)


def _file(path: Path) -> ProbedModel:
    file = _read(path)
    other_path = path.with_name(
        path.name.replace(f"{COMPILED}.tflite", ".tflite")
        if file.edgetpu
        else f"{path.stem}{COMPILED}.tflite"
    )
    has_other = other_path != path and other_path.is_file()
    other = _read(other_path) if has_other else None
    cpu, compiled = (other, file) if file.edgetpu else (file, other)
    if cpu is not None and cpu.edgetpu:
        cpu = None
    if cpu and compiled and _interface(cpu) != _interface(compiled):
        raise ModelError(
            f"{other_path} has other inputs or outputs than {path}",
            "compile it again, or move it away",
        )

    def file_for(delegate: Delegate) -> ModelFile:
        needs = delegate.model
        found = {CPU_FILE: cpu, EDGETPU_FILE: compiled}.get(needs.file)
        if found is None and file.edgetpu:
            raise ModelError(
                f"{path} is compiled for the Edge TPU",
                "give the file it was compiled from",
            )
        if found is None:
            raise ModelError(
                f"{path} is not compiled for it",
                f"compile it, or give a folder with {needs.file}",
            )
        dtype = found.inputs[0].dtype
        if dtype not in needs.dtypes:
            cure = f"use {' or '.join(needs.dtypes)}"
            raise ModelError(f"{path} has {dtype} as its input", cure)
        return found

    note = f"{path} is compiled for the Edge TPU, the CPU runs {other_path} instead"
    return ProbedModel(
        path, cpu, compiled, file_for, note if file.edgetpu and cpu else ""
    )


def _read(path: Path) -> ModelFile:
    file = read(path)
    if len(file.inputs) != 1 or not file.outputs:
        raise ModelError(f"{path}: has not one input and one output", "convert it")
    for tensor in (file.inputs[0], file.outputs[0]):
        if tensor.dtype not in DTYPES:
            cure = f"convert it to {', '.join(DTYPES)}"
            raise ModelError(f"{path}: {tensor.name} is {tensor.dtype}", cure)
    return file


def _interface(file: ModelFile) -> tuple[object, ...]:
    """Return what a pair has in common; the compiler may rename the tensors."""
    ends = (file.inputs[0], file.outputs[0])
    return tuple((t.shape, t.dtype, t.scale, t.zero_point) for t in ends)
