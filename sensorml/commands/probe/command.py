"""`sensorml probe`: what this machine is and which delegates can be used on it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sensorml.commands.probe.i2c_scan import Sensors, scan
from sensorml.commands.probe.report import Report, probe
from sensorml.commands.probe.software import Software
from sensorml.commands.probe.text import HEADINGS, machine, printable, row, table
from sensorml.delegates.checks import RuntimeVerdict
from sensorml.delegates.descriptor import Delegate, delegates
from sensorml.errors import BusError, ConfigError, DelegateError, ModelError
from sensorml.hardware.boards import Board, boards
from sensorml.hardware.facts import Facts
from sensorml.resources import folders

if TYPE_CHECKING:
    from sensorml.commands.probe.latency import Choice, Latency
    from sensorml.commands.probe.self_test import Tested


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a model, if one was given."""

    latencies: tuple[Latency, ...] = ()
    auto: Choice | None = None
    why_not: str = ""
    """Why nothing can run it here."""
    notes: tuple[str, ...] = ()
    """What was run, and on what."""


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
        help="run this model folder or .tflite file on every delegate that can be "
        "used, compare and time it; an accelerator is opened, one in use is not",
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
    if (why := _closed(root)) is not None:
        cure = "give a folder with proc and sys that may be entered"
        print(f"{printable(str(root))}: {why}: {cure}", file=sys.stderr)
        return 1
    try:
        known = delegates(folders("delegates"))
        known_boards = boards(folders("boards"))
        report = probe(
            Facts.gather(root),
            software=Software.gather(),
            runtime=_runtime(),
            delegates=known,
            boards=known_boards,
        )
    except ConfigError as err:
        print(err, file=sys.stderr)
        return 2
    sensors = tuple(_sensors(report.facts))
    tried = Tried()
    if args.model:
        try:
            board = known_boards[report.board]
            report, tried = _try(args.model, report, known, _threads(report, board))
        except (ModelError, DelegateError) as err:
            print(err, file=sys.stderr)
            return 1
    tests, failed = _self_tests(sensors) if args.self_test else ((), False)
    if args.json:
        document = _document(report, sensors, tried, tests)
        print(json.dumps(document, allow_nan=False))
    else:
        _show(report, sensors, tried)
        if args.self_test:
            _show_tests(tests)
    if tried.why_not:
        print(tried.why_not, file=sys.stderr)
    return 1 if tried.why_not or failed else 0


def _closed(root: Path) -> str | None:
    """Say why the folder cannot be entered, or return None."""
    try:
        os.stat(f"{root}/.")  # noqa: PTH116 - a Path would drop the point
    except OSError as err:
        return err.strerror
    return None


def _self_tests(sensors: Sequence[Sensors]) -> tuple[tuple[Tested, ...], bool]:
    from sensorml.commands.probe import self_test as selftest

    tests = tuple(selftest.run(sensors))
    return tests, selftest.failed(tests)


def _runtime() -> RuntimeVerdict:
    from sensorml.inference import tflite

    try:
        found = tflite.runtime()
    except DelegateError as err:
        return RuntimeVerdict(why_not=err.why, cure=err.cure)
    return RuntimeVerdict(found.name, found.version)


def _sensors(facts: Facts) -> Iterator[Sensors]:
    """Ask the sensors, on the running machine only."""
    from sensorml.buses import fault_codes as faults
    from sensorml.buses.i2c_dev import KernelBus

    for adapter in facts.i2c if facts.live else ():
        if not adapter.node.exists:
            yield Sensors(adapter.bus, why_not="no /dev node: run modprobe i2c-dev")
            continue
        try:
            yield Sensors(adapter.bus, scan(adapter.bus, KernelBus))
        except BusError as err:
            yield Sensors(adapter.bus, why_not=str(err))
        except OSError as err:
            where = f"i2c-{adapter.bus}"
            error = faults.explained(err, where, node=f"/dev/{where}")
            yield Sensors(adapter.bus, why_not=str(error).removeprefix(f"{where}: "))


def _threads(report: Report, board: Board) -> list[int]:
    """Return 1, what suits the board, and one for each core."""
    # A captured tree's processor is not the one that runs the model here.
    cores = (report.facts.cpu.cores if report.facts.live else os.cpu_count()) or 1
    usual = board.cpu.threads if board.cpu else 1
    return sorted({1, min(usual, cores), cores})


def _try(
    model: Path, report: Report, known: Mapping[str, Delegate], threads: Sequence[int]
) -> tuple[Report, Tried]:
    """Run a model on every delegate that can be used; return the report with that.

    Of a captured tree only the CPU is tried, which is this machine's.

    Raises:
        ModelError: the folder or file cannot be used.
        DelegateError: there is no TFLite runtime.
    """
    from sensorml.commands.probe import latency as trial
    from sensorml.commands.probe import model as subject

    given = subject.load(model)
    here = [
        verdict
        for verdict in report.delegates
        if report.facts.live or known[verdict.delegate].library is None
    ]
    trials = list(trial.trials(given, here, known, report.facts, threads))
    verdicts = {each.verdict.delegate: each.verdict for each in trials}
    latencies = tuple(us for each in trials for us in each.latencies)
    why_not = ""
    if not latencies:
        why_not = f"{model}: no delegate can run it here: see the reason of each"
        if given.cpu is None:
            why_not = (
                f"{model}: it is compiled for the Edge TPU, and none can be used here: "
                "see the reason of each, or give the file it was compiled from"
            )
    judged = tuple(verdicts.get(each.delegate, each) for each in report.delegates)
    auto = trial.choice(trials, known)
    on = "compared and timed on windows of random numbers, not on recordings"
    notes = tuple(filter(None, (given.note, on if latencies else "")))
    return replace(report, delegates=judged), Tried(latencies, auto, why_not, notes)


def _document(
    report: Report,
    sensors: Sequence[Sensors],
    tried: Tried,
    tests: Sequence[Tested],
) -> dict[str, object]:
    verdicts = [
        {"usable": verdict.usable, **asdict(verdict)} for verdict in report.delegates
    ]
    return {
        **asdict(report),
        "delegates": verdicts,
        "sensors": [asdict(each) for each in sensors],
        "latency_us": [asdict(each) for each in tried.latencies],
        "auto": asdict(tried.auto) if tried.auto else None,
        "notes": tried.notes,
        "self_tests": [asdict(each) for each in tests],
    }


def _show(report: Report, sensors: Sequence[Sensors], tried: Tried) -> None:
    """Print for people."""
    # In a file or a pipe no line is folded: it may be searched.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name, value in machine(report, sensors):
        print(f"{name:<13}{printable(value)}".rstrip())
    print()
    for line in table(HEADINGS, [row(v) for v in report.delegates], width):
        print(line)
    if tried.latencies:
        print()
        times = [
            (
                each.delegate,
                str(each.threads),
                *(f"{us:.1f}" for us in (each.p50_us, each.p95_us, each.p99_us)),
            )
            for each in tried.latencies
        ]
        heads = ("delegate", "threads", "p50 µs", "p95 µs", "p99 µs")
        for line in table(heads, times, width):
            print(line)
    for note in tried.notes:
        print(printable(note))
    if tried.auto:
        print(printable(tried.auto.said))
    said = [*report.warnings, *(w for v in report.delegates for w in v.warnings)]
    for warning in dict.fromkeys(said):  # two delegates may share a library
        print(f"warning: {printable(warning)}")


def _show_tests(tests: Sequence[Tested]) -> None:
    print()
    for test in tests:
        print(printable(str(test)))
    if not tests:
        print("self-test: no accelerometer answers that has one")
