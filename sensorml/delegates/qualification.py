"""Whether a delegate can run a model here: device, library, and the model's file.

Nothing is opened: these are the rungs before that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sensorml.delegates import numbering as selection
from sensorml.delegates.checks import Rung, RuntimeVerdict, Verdict, judge
from sensorml.delegates.descriptor import Delegate, ModelNeeds, delegates
from sensorml.errors import DelegateError, ModelError
from sensorml.hardware.facts import Facts
from sensorml.inference import tflite
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import ModelFile, Tensor, read, why_not
from sensorml.pipeline.model_card import EDGETPU_FILE, Card
from sensorml.resources import folders
from sensorml.schema import nearest

Report = Callable[[str, str, str], None]
"""Called with a delegate's state, the one before and the reason when that changes."""


class Wanted(NamedTuple):
    """A model, loaded on the CPU, that an accelerator is wanted for."""

    folder: Path
    card: Card
    cpu: TfliteEngine
    cpu_file: ModelFile
    report: Report


class Judged(NamedTuple):
    """One delegate for one model."""

    verdict: Verdict
    file: ModelFile | None
    """What it would run; None where the model has no such file."""


class Usable(NamedTuple):
    """A delegate that can run a model, and what it would run."""

    verdict: Verdict
    file: ModelFile


class Sight(NamedTuple):
    """How a device looks from outside just now."""

    verdict: Verdict
    path: str = ""
    """Where it is, as libedgetpu names it; empty for other delegates."""
    stick: str = ""
    """Its node, if it is on USB."""


class Ladder:
    """The rungs on this machine, as it was found at the start."""

    def __init__(self, root: Path) -> None:
        """Look at /proc, /sys and /dev under `root`.

        Raises:
            ConfigError: a file of delegates/ is wrong.
            DelegateError: there is no TFLite runtime.
        """
        self.delegates = delegates(folders("delegates"))
        self.facts = Facts.gather(root)
        self.runtime = tflite.runtime()
        self._root = root

    def judge(self, wanted: Wanted, name: str, device: str | None = None) -> Judged:
        """Climb for one delegate and one model.

        Raises:
            DelegateError: there is no delegate of that name.
        """
        if name not in self.delegates:
            cure = nearest(name, self.delegates)
            raise DelegateError(f"there is no delegate {name!r}: {cure}")
        delegate = self.delegates[name]
        verdict = judge(self.facts, delegate, self._runtime(), device=device)
        try:
            return Judged(verdict, paired(wanted, delegate))
        except ModelError as err:
            if verdict.usable:
                what, _, cure = str(err).rpartition(": ")
                verdict = replace(verdict, rung=Rung.MODEL, why_not=what, cure=cure)
            return Judged(verdict, None)

    def usable(self, wanted: Wanted) -> dict[str, Usable]:
        """Return the delegates that "auto" may choose.

        One that has a device and cannot be used all the same is reported.
        """
        found: dict[str, Usable] = {}
        for name, delegate in self.delegates.items():
            if not (delegate.library and delegate.auto):
                continue
            if delegate.model.file in wanted.card.files:
                verdict, file = self.judge(wanted, name)
                if verdict.usable and file is not None:
                    found[name] = Usable(verdict, file)
                elif verdict.rung is not Rung.DEVICE:
                    why = f"{name}: {verdict.why_not}: {verdict.cure}"
                    wanted.report("refused", "", why)
        return found

    def refusal(self, wanted: Wanted, name: str, device: str | None) -> str:
        """Say that this delegate cannot be used, with a table of all."""
        cure = 'see its line, or add fallback = "cpu", or write delegate = "auto"'
        lines = [f"{wanted.folder} cannot run on {name}: {cure}"]
        for each in self.delegates:
            verdict = self.judge(wanted, each, device if each == name else None).verdict
            why = f"{verdict.why_not}: {verdict.cure}" if verdict.why_not else "usable"
            lines.append(f"  {each:<14} {verdict.rung:<8} {why}")
        return "\n".join(lines)

    def look(self, name: str, device: str | None) -> Sight:
        """Climb anew, as far as a device goes: it may have been unplugged."""
        delegate = self.delegates[name]
        facts = Facts.gather(self._root)
        verdict = judge(facts, delegate, self._runtime(), device=device)
        path = selection.path(facts, delegate, verdict.device)
        sticks = selection.sticks(
            selection.only(facts, delegate, verdict.device), delegate
        )
        return Sight(verdict, path, sticks[0].node.path if len(sticks) == 1 else "")

    def _runtime(self) -> RuntimeVerdict:
        return RuntimeVerdict(self.runtime.name, self.runtime.version)


def paired(wanted: Wanted, delegate: Delegate) -> ModelFile:
    """Read the file that a delegate runs, and hold it against card and CPU file.

    Raises:
        ModelError: it is not there, damaged, or not of the same model.
    """
    name = delegate.model.file
    if name not in wanted.card.files:
        cure = "compile model.tflite for it and add it with sensorml train --pair"
        raise ModelError(f"{wanted.folder} has no {name}: {cure}")
    path = wanted.folder / name
    return twin(path, delegate.model, wanted.card, wanted.cpu_file)


def twin(path: Path, model: ModelNeeds, card: Card, cpu_file: ModelFile) -> ModelFile:
    """Read a compiled file, wherever it is, and hold it against card and CPU file.

    Raises:
        ModelError: it is damaged, or not of the same model.
    """
    file = read(path)
    if model.file == EDGETPU_FILE and not file.edgetpu:
        cure = "compile it with edgetpu_compiler"
        raise ModelError(f"{path} holds nothing for the Edge TPU: {cure}")
    if why := why_not(file, card):
        raise ModelError(f"{path} does not fit its card, {why}: compile it again")
    for role, ours, theirs in (
        ("input", file.inputs[0], cpu_file.inputs[0]),
        ("output", file.outputs[0], cpu_file.outputs[0]),
    ):
        if ours.dtype not in model.dtypes:
            cure = f"use {' or '.join(model.dtypes)}"
            raise ModelError(f"{path} has {ours.dtype} as its {role}: {cure}")
        if _kind(ours) != _kind(theirs):
            cure = "compile it again from model.tflite"
            raise ModelError(f"{path} has another {role} than model.tflite: {cure}")
    return file


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point
