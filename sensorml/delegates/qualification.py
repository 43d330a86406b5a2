"""The qualification of a delegate for a model: machine, library, and the model's file.

Nothing is opened: the rungs that open the device come after these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sensorml.delegates import numbering
from sensorml.delegates.checks import Rung, RuntimeVerdict, Verdict, judge
from sensorml.delegates.descriptor import Delegate, ModelNeeds, candidates
from sensorml.errors import DelegateError, ModelError
from sensorml.hardware.facts import Facts
from sensorml.inference import tflite
from sensorml.inference.tflite import RuntimeInfo, TfliteEngine
from sensorml.inference.tflite_file import ModelFile, Tensor, read, why_not
from sensorml.pipeline.model_card import EDGETPU_FILE, Card
from sensorml.schema import nearest

ReportState = Callable[[str, str, str], None]
"""Called with a delegate's new state, its previous one, and why it changed."""


class ModelRequest(NamedTuple):
    """A model, loaded on the CPU, that is to run on an accelerator."""

    folder: Path
    card: Card
    cpu: TfliteEngine
    cpu_file: ModelFile
    report: ReportState


class Judged(NamedTuple):
    """One delegate for one model."""

    verdict: Verdict
    file: ModelFile | None
    """The file that the delegate would run; None if the model has none."""


class Usable(NamedTuple):
    """A delegate that can run a model, and the file that it would run."""

    verdict: Verdict
    file: ModelFile


class DeviceState(NamedTuple):
    """The state of a device before it is opened."""

    verdict: Verdict
    path: str = ""
    """Its path in libedgetpu's list; empty for other delegates."""
    usb_node: str = ""
    """Its device file, if it is on USB."""


class Qualification:
    """The delegates of this machine, with the facts as read at the start."""

    def __init__(self, delegates: Mapping[str, Delegate], facts: Facts) -> None:
        self.delegates = delegates
        self.facts = facts

    @cached_property
    def runtime(self) -> RuntimeInfo:
        """The TFLite runtime; raises DelegateError if there is none."""
        return tflite.runtime()

    def judge(
        self, request: ModelRequest, name: str, device: str | None = None
    ) -> Judged:
        """Check one delegate for one model.

        Raises:
            DelegateError: there is no delegate of that name.
        """
        if name not in self.delegates:
            cure = nearest(name, self.delegates)
            raise DelegateError(f"there is no delegate {name!r}", cure)
        delegate = self.delegates[name]
        verdict = self._verdict(self.facts, delegate, device)
        try:
            return Judged(verdict, paired(request, delegate))
        except ModelError as err:
            if verdict.usable:
                verdict = replace(verdict, rung=Rung.MODEL, reason=err.reason)
            return Judged(verdict, None)

    def usable(self, request: ModelRequest) -> dict[str, Usable]:
        """Return the candidates that can run the model; report the others."""
        usable: dict[str, Usable] = {}
        for delegate in candidates(self.delegates, self.facts, request.card.files):
            verdict, file = self.judge(request, delegate.name)
            if verdict.usable and file is not None:
                usable[delegate.name] = Usable(verdict, file)
            else:
                request.report("refused", "", f"{delegate.name}: {verdict.reason}")
        return usable

    def refusal(
        self, request: ModelRequest, name: str, device: str | None
    ) -> DelegateError:
        """Return the error for a delegate that cannot be used, with a table of all."""
        cure = 'see its line, or add fallback = "cpu", or write delegate = "auto"'
        lines = [f"{request.folder} cannot run on {name}: {cure}"]
        for other in self.delegates:
            verdict = self.judge(request, other, device if other == name else None)[0]
            reason = verdict.reason or "usable"
            lines.append(f"  {other:<14} {verdict.rung:<8} {reason}")
        return DelegateError("\n".join(lines))

    def examine(self, name: str, device: str | None) -> DeviceState:
        """Check a delegate again, without a model: it may have been unplugged."""
        delegate = self.delegates[name]
        facts = Facts.gather(Path(self.facts.root))
        verdict = self._verdict(facts, delegate, device)
        path = numbering.path(facts, delegate, verdict.device)
        sticks = numbering.sticks(
            numbering.restricted(facts, delegate, verdict.device), delegate
        )
        usb_node = sticks[0].node.path if len(sticks) == 1 else ""
        return DeviceState(verdict, path, usb_node)

    def _verdict(self, facts: Facts, delegate: Delegate, device: str | None) -> Verdict:
        runtime = RuntimeVerdict(self.runtime.name, self.runtime.version)
        return judge(facts, delegate, runtime, device=device)


def paired(request: ModelRequest, delegate: Delegate) -> ModelFile:
    """Read the file that a delegate runs, and compare it with card and CPU file.

    Raises:
        ModelError: it is missing, damaged, or belongs to another model.
    """
    name = delegate.model.file
    if name not in request.card.files:
        cure = "compile model.tflite for it and add it with sensorml train --pair"
        raise ModelError(f"{request.folder} has no {name}", cure)
    path = request.folder / name
    return twin(path, delegate.model, request.card, request.cpu_file)


def twin(path: Path, model: ModelNeeds, card: Card, cpu_file: ModelFile) -> ModelFile:
    """Read a compiled file, wherever it is, and compare it with card and CPU file.

    Raises:
        ModelError: it is damaged, or belongs to another model.
    """
    file = read(path)
    if model.file == EDGETPU_FILE and not file.edgetpu:
        raise ModelError(
            f"{path} has no part for the Edge TPU", "compile it with edgetpu_compiler"
        )
    if reason := why_not(file, card):
        raise ModelError(
            f"{path} does not fit its card, {reason.what}", "compile it again"
        )
    for role, compiled, original in (
        ("input", file.inputs[0], cpu_file.inputs[0]),
        ("output", file.outputs[0], cpu_file.outputs[0]),
    ):
        if compiled.dtype not in model.dtypes:
            cure = f"use {' or '.join(model.dtypes)}"
            raise ModelError(f"{path} has {compiled.dtype} as its {role}", cure)
        if _kind(compiled) != _kind(original):
            raise ModelError(
                f"{path} has another {role} than model.tflite",
                "compile it again from model.tflite",
            )
    return file


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point
