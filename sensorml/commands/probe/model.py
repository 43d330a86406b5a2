"""What is to be tried: a model folder, or a .tflite file without a card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.delegates.descriptor import Delegate
from sensorml.delegates.qualification import Wanted, paired
from sensorml.errors import ModelError
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import DTYPES, ModelFile, read, why_not
from sensorml.pipeline import model_card as cards
from sensorml.pipeline import model_files

COMPILED: Final = "_edgetpu"
"""What edgetpu_compiler adds to the name of the file that it was given."""


class Subject(NamedTuple):
    """A model, and what each delegate would run of it."""

    path: Path
    cpu: ModelFile | None
    """None: only what was compiled for the Edge TPU is at hand."""
    compiled: ModelFile | None
    file_for: Callable[[Delegate], ModelFile]
    """Raises ModelError where the model has nothing for a delegate."""
    note: str = ""
    """What the CPU runs, where that is not the file that was given."""


def load(path: Path) -> Subject:
    """Read and verify a model folder, or a file and the other half of its pair.

    Raises:
        ModelError: it cannot be used at all.
        DelegateError: there is no TFLite runtime.
    """
    return _folder(path) if path.is_dir() else _file(path)


def _folder(folder: Path) -> Subject:
    path = folder / cards.CPU_FILE
    cpu = read(path)
    card = model_files.load(folder)
    if why := why_not(cpu, card):
        raise ModelError(f"{path}: {why}")
    engine = TfliteEngine.load(path, card)
    wanted = Wanted(folder, card, engine, cpu, lambda _state, _previous, _why: None)

    def file_for(delegate: Delegate) -> ModelFile:
        return paired(wanted, delegate)

    return Subject(folder, cpu, None, file_for)


def _file(path: Path) -> Subject:
    given = _read(path)
    other = path.with_name(
        path.name.replace(f"{COMPILED}.tflite", ".tflite")
        if given.edgetpu
        else f"{path.stem}{COMPILED}.tflite"
    )
    twin = _read(other) if other != path and other.is_file() else None
    cpu, compiled = (twin, given) if given.edgetpu else (given, twin)
    if cpu is not None and cpu.edgetpu:
        cpu = None
    if cpu and compiled and _ends(cpu) != _ends(compiled):
        raise ModelError(
            f"{other} has other inputs or outputs than {path}: compile it again, or "
            "move it away"
        )

    def file_for(delegate: Delegate) -> ModelFile:
        wants = delegate.model
        file = {cards.CPU_FILE: cpu, cards.EDGETPU_FILE: compiled}.get(wants.file)
        if file is None:
            if given.edgetpu:
                cure = "give the file it was compiled from"
                raise ModelError(f"{path} is compiled for the Edge TPU: {cure}")
            cure = f"compile it, or give a folder with {wants.file}"
            raise ModelError(f"{path} is not compiled for it: {cure}")
        dtype = file.inputs[0].dtype
        if dtype not in wants.dtypes:
            cure = f"use {' or '.join(wants.dtypes)}"
            raise ModelError(f"{path} has {dtype} as its input: {cure}")
        return file

    note = f"{path} is compiled for the Edge TPU: the CPU runs {other}, its other half"
    return Subject(path, cpu, compiled, file_for, note if given.edgetpu and cpu else "")


def _read(path: Path) -> ModelFile:
    file = read(path)
    if len(file.inputs) != 1 or not file.outputs:
        raise ModelError(f"{path}: it has not one input and one output: convert it")
    for tensor in (file.inputs[0], file.outputs[0]):
        if tensor.dtype not in DTYPES:
            cure = f"convert it to {', '.join(DTYPES)}"
            raise ModelError(f"{path}: {tensor.name} is {tensor.dtype}: {cure}")
    return file


def _ends(file: ModelFile) -> tuple[object, ...]:
    """Return input and output; the compiler may rename them."""
    ends = (file.inputs[0], file.outputs[0])
    return tuple((each.shape, each.dtype, each.scale, each.zero_point) for each in ends)
