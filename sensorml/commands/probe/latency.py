"""The costly rungs for `sensorml probe --model`: a model opened, compared, measured.

External delegates are opened in a child process, because some of them crash or
hang there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from sensorml.commands.probe.model import ProbedModel
from sensorml.delegates import numbering
from sensorml.delegates.checks import Rung, Verdict
from sensorml.delegates.descriptor import Delegate
from sensorml.delegates.tolerance import COMPARED, Tolerance, Windows
from sensorml.errors import DelegateError, ModelError, Reason
from sensorml.hardware.facts import Facts
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.latency import Latency, measure
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import ModelFile


@dataclass(frozen=True, slots=True)
class Trial:
    """The verdict on one delegate with the model, and its latency."""

    verdict: Verdict
    latencies: Mapping[int, Latency]
    """By the number of interpreter threads; empty if it does not run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The delegate that `delegate = "auto"` would choose, and why."""

    delegate: str
    sentence: str


def trials(
    model: ProbedModel,
    verdicts: Iterable[Verdict],
    delegates: Mapping[str, Delegate],
    facts: Facts,
    threads: Sequence[int],
) -> Iterator[Trial]:
    """Try every usable delegate, one after the other.

    Args:
        model: what runs.
        verdicts: of the cheap checks.
        delegates: all, by name.
        facts: of this machine.
        threads: the CPU is measured with each number of them.

    Raises:
        DelegateError: there is no TFLite runtime.
        ModelError: the runtime refuses the model's CPU file.
    """
    windows = _windows(model)
    for verdict in verdicts:
        delegate = delegates[verdict.delegate]
        if not verdict.usable:
            yield Trial(verdict, {})
            continue
        try:
            file = model.file_for(delegate)
        except ModelError as err:
            yield _failed(verdict, Rung.MODEL, err.reason)
            continue
        if delegate.library is None:
            yield Trial(verdict, {n: _on_cpu(file, n, windows) for n in threads})
        else:
            accelerator = _accelerator(facts, delegate, verdict)
            yield _external(model, accelerator, file, verdict, windows)


def choice(trials: Sequence[Trial], delegates: Mapping[str, Delegate]) -> Choice | None:
    """Return what "auto" would choose: the least p95; None without the CPU.

    The service runs a model on the CPU with one thread.
    """
    p95_us = {
        trial.verdict.delegate: trial.latencies[1].p95
        for trial in trials
        if 1 in trial.latencies and delegates[trial.verdict.delegate].auto
    }
    if "cpu" not in p95_us:
        return None
    winner = min(p95_us, key=lambda name: p95_us[name])
    latencies = ", ".join(f"{name} p95 {us:.1f} µs" for name, us in p95_us.items())
    if len(p95_us) == 1:
        why = "no other delegate that it tries can run this model here"
    elif winner == "cpu":
        why = "this model takes less time than the way to an accelerator and back"
    else:
        why = "it is faster, including the way there and back"
    return Choice(winner, f"auto would choose {winner} ({latencies}): {why}")


def _windows(model: ProbedModel) -> Windows:
    """Return the same pseudo-random features every time, and the CPU's outputs."""
    file = model.cpu or model.compiled
    assert file is not None  # noqa: S101 - a model has one of them
    shape = COMPARED, file.inputs[0].size
    features = np.random.default_rng(0).standard_normal(shape, np.float32)
    if model.cpu is None:
        return Windows(features, np.empty((0,), np.float32))
    with closing(TfliteEngine(model.cpu, 1, None)) as cpu:
        return Windows(features, cpu.infer(features).outputs)


def _on_cpu(file: ModelFile, threads: int, windows: Windows) -> Latency:
    with closing(TfliteEngine(file, threads, None)) as engine:
        return measure(engine, windows.features)


def _accelerator(facts: Facts, delegate: Delegate, verdict: Verdict) -> Accelerator:
    """Return the device that was found usable; of several the first that is free."""
    assert delegate.library is not None  # noqa: S101 - the caller has checked
    assert verdict.library is not None  # noqa: S101 - it is usable
    options = dict(delegate.library.options)
    if verdict.device is not None:
        options["device"] = verdict.device
    return Accelerator(
        delegate.name,
        verdict.library,
        options,
        delegate.library.cure,
        numbering.path(facts, delegate, verdict.device),
    )


def _external(
    model: ProbedModel,
    accelerator: Accelerator,
    file: ModelFile,
    verdict: Verdict,
    windows: Windows,
) -> Trial:
    from sensorml.delegates.child_engine import open_child

    rung = Rung.OPEN
    try:
        with closing(open_child(file, accelerator)) as engine:
            if model.cpu is not None:
                rung = Rung.OUTPUT
                Tolerance.of(model.cpu.outputs[0]).check(engine, windows)
            rung = Rung.LATENCY
            return Trial(verdict, {1: measure(engine, windows.features)})
    except DelegateError as err:
        what, cure = err.reason
        what = what.removeprefix(f"{accelerator.name}: ")
        return _failed(verdict, rung, Reason(what, cure))


def _failed(verdict: Verdict, rung: Rung, reason: Reason) -> Trial:
    return Trial(replace(verdict, rung=rung, reason=reason), {})
