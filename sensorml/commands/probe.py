"""`sensorml probe`: what this machine is and which delegates can be used on it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorml.commands import selftest
from sensorml.errors import ConfigError, DelegateError, ModelError
from sensorml.hardware.descriptors import boards, delegates
from sensorml.hardware.facts import Facts
from sensorml.hardware.probe import Report, RuntimeVerdict, probe
from sensorml.hardware.scan import Sensors, scan
from sensorml.hardware.software import Software
from sensorml.hardware.words import machine, printable, reason
from sensorml.resources import folders

if TYPE_CHECKING:
    from rich.console import Console

    from sensorml.engines.modelfile import ModelFile

_WARM_UP = 20
_RUNS = 500
_LONGEST_S = 1.0  # for each thread count: a big model is run less often


@dataclass(frozen=True, slots=True)
class Latency:
    """One window through one delegate, in µs."""

    delegate: str
    threads: int
    runs: int
    p50_us: float
    p95_us: float
    p99_us: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="read the facts of /proc, /sys and /dev under DIR",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR_OR_FILE",
        help="measure the latency of this model folder or .tflite file",
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="have every accelerometer found move its own proof mass and compare; it "
        "takes a second each and rewrites the chip's settings: stop the service and "
        "the machine first",
    )


def run(args: argparse.Namespace) -> int:
    """Print the report.

    1 when the root or the model cannot be used, or a sensor fails its self-test.
    """
    root: Path = args.root
    if not root.is_dir():
        print(f"{root}: no such folder: give one with proc and sys", file=sys.stderr)
        return 1
    try:
        report = probe(
            Facts.gather(root),
            software=Software.gather(),
            runtime=_runtime(),
            delegates=delegates(folders("delegates")),
            boards=boards(folders("boards")),
        )
    except ConfigError as err:
        print(err, file=sys.stderr)
        return 2
    sensors = tuple(_sensors(report.facts))
    try:
        latencies = tuple(_latencies(args.model, report.facts) if args.model else ())
    except (ModelError, DelegateError) as err:
        print(err, file=sys.stderr)
        return 1
    tests = tuple(selftest.run(sensors)) if args.self_test else ()
    if args.json:
        document = _document(report, sensors, latencies, tests)
        print(json.dumps(document, ensure_ascii=False))
    else:
        _show(report, sensors, latencies)
        if args.self_test:
            _show_tests(tests)
    return 1 if selftest.failed(tests) else 0


def _runtime() -> RuntimeVerdict:
    from sensorml.engines import tflite

    try:
        found = tflite.runtime()
    except (DelegateError, ModelError) as err:
        what, _, cure = str(err).partition(": ")
        return RuntimeVerdict(why_not=what, cure=cure)
    return RuntimeVerdict(found.name, found.version)


def _sensors(facts: Facts) -> Iterator[Sensors]:
    """Ask the sensors, on the running machine only."""
    from sensorml.buses.i2cdev import KernelBus

    for adapter in facts.i2c if facts.live else ():
        if not adapter.node.exists:
            yield Sensors(adapter.bus, why_not="no /dev node: run modprobe i2c-dev")
            continue
        try:
            yield Sensors(adapter.bus, scan(adapter.bus, KernelBus))
        except PermissionError:
            cure = "sudo usermod -aG i2c $USER, then log in again"
            yield Sensors(adapter.bus, why_not=f"access denied: {cure}")
        except OSError as err:
            yield Sensors(adapter.bus, why_not=str(err.strerror))


def _latencies(model: Path, facts: Facts) -> Iterator[Latency]:
    """Measure the model on the CPU with 1, 2 and 4 threads, as cores allow.

    Raises:
        ModelError: the folder or file cannot be used.
    """
    from sensorml import cards
    from sensorml.engines import modelfile

    path = model / cards.CPU_FILE if model.is_dir() else model
    file = modelfile.read(path)
    if file.edgetpu:
        cure = "give the file it was compiled from"
        raise ModelError(f"{path}: it is compiled for the Edge TPU: {cure}")
    if model.is_dir():
        if why := modelfile.why_not(file, cards.load(model)):
            raise ModelError(f"{path}: {why}")
    elif len(file.inputs) != 1 or not file.outputs:
        raise ModelError(f"{path}: it has not one input and one output: convert it")
    for threads in (1, 2, 4):
        if threads <= max(1, facts.cpu.cores):
            yield _measure(file, threads)


def _measure(file: ModelFile, threads: int) -> Latency:
    import numpy as np

    from sensorml.engines.tflite import TfliteEngine

    engine = TfliteEngine(file, threads, None)
    inputs = file.inputs[0].size
    window = np.random.default_rng(0).standard_normal((1, inputs), np.float32)
    try:
        for _ in range(_WARM_UP):
            engine.infer(window)
        took_ns: list[int] = []
        end_ns = time.perf_counter_ns() + int(_LONGEST_S * 1e9)
        while len(took_ns) < _RUNS and time.perf_counter_ns() < end_ns:
            before = time.perf_counter_ns()
            engine.infer(window)
            took_ns.append(time.perf_counter_ns() - before)
    finally:
        engine.close()
    p50, p95, p99 = (float(p) / 1e3 for p in np.percentile(took_ns, (50, 95, 99)))
    return Latency("cpu", threads, len(took_ns), p50, p95, p99)


def _document(
    report: Report,
    sensors: Sequence[Sensors],
    latencies: Sequence[Latency],
    tests: Sequence[selftest.Tested],
) -> dict[str, object]:
    verdicts = [
        {"usable": verdict.usable, **asdict(verdict)} for verdict in report.delegates
    ]
    return {
        **asdict(report),
        "delegates": verdicts,
        "sensors": [asdict(each) for each in sensors],
        "latency_us": [asdict(each) for each in latencies],
        "self_tests": [asdict(each) for each in tests],
    }


def _show(
    report: Report, sensors: Sequence[Sensors], latencies: Sequence[Latency]
) -> None:
    """Print for people: tables on a terminal, the same as plain text elsewhere."""
    from rich.console import Console

    # In a file or a pipe no line is folded: it may be searched.
    width = None if sys.stdout.isatty() else 1000
    console = Console(highlight=False, markup=False, width=width)
    for name, value in machine(report, sensors):
        console.print(f"{name:<13}{printable(value)}")
    console.print()
    _table(
        console,
        ("delegate", "state", "why not, and what to do"),
        [
            (v.delegate, "usable" if v.usable else "-", reason(v))
            for v in report.delegates
        ],
    )
    if latencies:
        console.print()
        _table(
            console,
            ("delegate", "threads", "p50 µs", "p95 µs", "p99 µs"),
            [
                (
                    each.delegate,
                    str(each.threads),
                    *(f"{v:.1f}" for v in (each.p50_us, each.p95_us, each.p99_us)),
                )
                for each in latencies
            ],
        )
    said = [*report.warnings, *(w for v in report.delegates for w in v.warnings)]
    for warning in said:
        console.print(f"warning: {printable(warning)}")


def _show_tests(tests: Sequence[selftest.Tested]) -> None:
    print()
    for test in tests:
        print(printable(str(test)))
    if not tests:
        print("self-test: no accelerometer answers that has one")


def _table(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
