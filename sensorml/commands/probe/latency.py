"""One model on the delegates of this machine: opened, compared, timed.

The last rungs of the ladder, for `sensorml probe --model`. External delegates
are opened in a process of their own, since some die or hang when they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sensorml.commands.probe.model import Subject
from sensorml.delegates import numbering as selection
from sensorml.delegates.checks import Rung, Verdict
from sensorml.delegates.descriptor import Delegate
from sensorml.delegates.tolerance import COMPARED, Tolerance, Windows
from sensorml.errors import DelegateError, ModelError
from sensorml.hardware.facts import Facts
from sensorml.inference.delegate_library import Accelerator
from sensorml.inference.tflite import TfliteEngine
from sensorml.inference.tflite_file import ModelFile
from sensorml.interfaces import Engine
from sensorml.types import Float32

WARM_UP: Final = 20
RUNS: Final = 500
LONGEST_S: Final = 1.0
"""For one delegate and number of threads: a big model is run less often."""


@dataclass(frozen=True, slots=True)
class Latency:
    """One window's whole way through one delegate and back, in µs."""

    delegate: str
    threads: int
    runs: int
    p50_us: float
    p95_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Trial:
    """How far one delegate came with the model, and how fast it was."""

    verdict: Verdict
    latencies: tuple[Latency, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """What `delegate = "auto"` would run the model on."""

    delegate: str
    said: str


def trials(
    subject: Subject,
    verdicts: Iterable[Verdict],
    delegates: Mapping[str, Delegate],
    facts: Facts,
    threads: Sequence[int],
) -> Iterator[Trial]:
    """Try every delegate that nothing speaks against, one after the other.

    Args:
        subject: the model.
        verdicts: of the rungs before these.
        delegates: all, by name.
        facts: of this machine.
        threads: the CPU is timed with each number of them.

    Raises:
        DelegateError: there is no TFLite runtime.
        ModelError: the runtime refuses the model's CPU file.
    """
    windows = _windows(subject)
    for verdict in verdicts:
        delegate = delegates[verdict.delegate]
        if not verdict.usable:
            yield Trial(verdict)
            continue
        try:
            file = subject.file_for(delegate)
        except ModelError as err:
            what, _, cure = str(err).rpartition(": ")
            yield Trial(_fallen(verdict, Rung.MODEL, what, cure))
            continue
        if delegate.library is None:
            timed = [_on_cpu(TfliteEngine(file, n, None), n, windows) for n in threads]
            yield Trial(verdict, tuple(timed))
        else:
            accelerator = _accelerator(facts, delegate, verdict)
            yield _external(subject, accelerator, file, verdict, windows)


def choice(trials: Sequence[Trial], delegates: Mapping[str, Delegate]) -> Choice | None:
    """Say what "auto" would choose: the least p95; None without the CPU.

    The CPU runs a model with one thread in the service.
    """
    p95_us = {
        each.delegate: each.p95_us
        for trial in trials
        for each in trial.latencies
        if each.threads == 1 and delegates[each.delegate].auto
    }
    if "cpu" not in p95_us:
        return None
    winner = min(p95_us, key=lambda name: p95_us[name])
    times = ", ".join(f"{name} p95 {us:.1f} µs" for name, us in p95_us.items())
    if len(p95_us) == 1:
        why = "nothing else that it tries can run this model here"
    elif winner == "cpu":
        why = "this model takes less time than the way to an accelerator and back"
    else:
        why = "it is faster even with the way there and back"
    return Choice(winner, f"auto would choose {winner} ({times}): {why}")


def _windows(subject: Subject) -> Windows:
    """Make the same pseudo-random features every time, and the CPU's answers."""
    some = subject.cpu or subject.compiled
    assert some is not None  # noqa: S101 - a subject has one of them
    shape = COMPARED, some.inputs[0].size
    features = np.random.default_rng(0).standard_normal(shape, np.float32)
    if subject.cpu is None:
        return Windows(features, np.empty((0,), np.float32))
    with closing(TfliteEngine(subject.cpu, 1, None)) as cpu:
        return Windows(features, cpu.infer(features).outputs)


def _on_cpu(engine: Engine, threads: int, windows: Windows) -> Latency:
    with closing(engine):
        return _latency(engine, threads, windows.features)


def _accelerator(facts: Facts, delegate: Delegate, verdict: Verdict) -> Accelerator:
    """Return the one that was found usable, of several the first that is free."""
    assert delegate.library is not None  # noqa: S101 - the caller looked
    assert verdict.library is not None  # noqa: S101 - it is usable
    options = dict(delegate.library.options)
    if verdict.device is not None:
        options["device"] = verdict.device
    return Accelerator(
        delegate.name,
        verdict.library,
        options,
        delegate.library.cure,
        selection.path(facts, delegate, verdict.device),
    )


def _external(
    subject: Subject,
    accelerator: Accelerator,
    file: ModelFile,
    verdict: Verdict,
    windows: Windows,
) -> Trial:
    from sensorml.delegates.child_engine import open_child

    rung = Rung.OPEN
    try:
        with closing(open_child(file, accelerator)) as engine:
            if subject.cpu is not None:
                rung = Rung.OUTPUT
                Tolerance.of(subject.cpu.outputs[0]).check(engine, windows)
            rung = Rung.LATENCY
            return Trial(verdict, (_latency(engine, 1, windows.features),))
    except DelegateError as err:
        why = err.why.removeprefix(f"{accelerator.name}: ")
        return Trial(_fallen(verdict, rung, why, err.cure))


def _fallen(verdict: Verdict, rung: Rung, why: str, cure: str) -> Verdict:
    return replace(verdict, rung=rung, why_not=why, cure=cure)


def _latency(
    engine: Engine,
    threads: int,
    features: Float32,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Latency:
    for _ in range(WARM_UP):
        engine.infer(features[:1])
    took_ns: list[int] = []
    end_ns = clock() + round(LONGEST_S * 1e9)
    while len(took_ns) < RUNS and (clock() < end_ns or not took_ns):
        row = features[[len(took_ns) % len(features)]]
        begun_ns = clock()
        engine.infer(row)
        took_ns.append(clock() - begun_ns)
    p50, p95, p99 = (float(p) / 1e3 for p in np.percentile(took_ns, (50, 95, 99)))
    return Latency(engine.delegate, threads, len(took_ns), p50, p95, p99)
