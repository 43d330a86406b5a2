"""`sensorml probe`: the machine, its sensors, and the delegates that it can use."""

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
from sensorml.commands.probe.report import MachineReport, Software, probe
from sensorml.commands.probe.text import HEADINGS, machine, printable, row, table
from sensorml.delegates.checks import RuntimeVerdict, Verdict
from sensorml.delegates.descriptor import Delegate, delegates
from sensorml.errors import BusError, ConfigError, DelegateError, ModelError, Reason
from sensorml.hardware.boards import Board, boards
from sensorml.hardware.facts import Facts
from sensorml.process import plain
from sensorml.resources import folders

if TYPE_CHECKING:
    from sensorml.commands.probe.latency import Choice
    from sensorml.commands.probe.self_test import Tested
    from sensorml.commands.probe.wake_up import WakeUp
    from sensorml.inference.latency import Latency


@dataclass(frozen=True, slots=True)
class ModelResults:
    """The results for the given model; empty without one."""

    latencies: tuple[tuple[str, int, Latency], ...] = ()
    """Delegate, number of threads, latency."""
    auto: Choice | None = None
    why_not: str = ""
    """The reason why no delegate can run it here."""
    notes: tuple[str, ...] = ()
    """The file and the windows that were run."""


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
        help="run this model folder or .tflite file on every usable delegate, compare "
        "its outputs with the CPU's and measure its latency; this opens accelerators "
        "that are not in use",
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="run the built-in self-test of every accelerometer that answers; it takes "
        "a second each and changes the chip's settings, and skips a chip that is in "
        "use: stop the service and the machine first",
    )
    parser.add_argument(
        "--wake-up",
        action="store_true",
        help="keep all processors busy for half a second, and report how late a thread "
        "wakes up and up to which rate the FIFO of a sensor is then read in time; a "
        "service that runs may lose samples",
    )


def run(args: argparse.Namespace) -> int:
    """Print the report.

    Returns 1 if the root or the model cannot be used, or a self-test fails.
    """
    root: Path = args.root
    if (why := _inaccessible(root)) is not None:
        cure = "give a folder with proc and sys"
        print(plain(f"{root}: {why}: {cure}"), file=sys.stderr)
        return 1
    try:
        all_delegates = delegates(folders("delegates"))
        all_boards = boards(folders("boards"))
        report = probe(
            Facts.gather(root),
            software=Software.gather(),
            runtime=_runtime(),
            delegates=all_delegates,
            boards=all_boards,
        )
    except ConfigError as err:
        print(plain(str(err)), file=sys.stderr)
        return 2
    sensors = tuple(_sensors(report.facts))
    results = ModelResults()
    if args.model:
        threads = _threads(report, all_boards[report.board])
        try:
            report, results = _try(args.model, report, all_delegates, threads)
        except (ModelError, DelegateError) as err:
            print(plain(str(err)), file=sys.stderr)
            return 1
    tests, failed = _self_tests(sensors) if args.self_test else ((), False)
    delays = _wake_ups() if args.wake_up else ()
    if args.json:
        document = _document(report, sensors, results, tests, delays)
        print(json.dumps(document, allow_nan=False))
    else:
        _show(report, sensors, results)
        if args.self_test:
            _show_tests(tests)
        if delays:
            _show_wake_ups(delays)
    if results.why_not:
        print(results.why_not, file=sys.stderr)
    return 1 if results.why_not or failed else 0


def _inaccessible(root: Path) -> str | None:
    """Return why the folder cannot be entered, or None."""
    try:
        os.stat(f"{root}/.")  # noqa: PTH116 - a Path would drop the dot
    except OSError as err:
        return err.strerror
    return None


def _self_tests(sensors: Sequence[Sensors]) -> tuple[tuple[Tested, ...], bool]:
    from sensorml.commands.probe import self_test

    tests = tuple(self_test.run(sensors))
    return tests, self_test.failed(tests)


def _wake_ups() -> Sequence[WakeUp]:
    from sensorml.commands.probe import wake_up

    return wake_up.measured()


def _runtime() -> RuntimeVerdict:
    from sensorml.inference import tflite

    try:
        runtime = tflite.runtime()
    except DelegateError as err:
        return RuntimeVerdict(reason=err.reason)
    return RuntimeVerdict(runtime.name, runtime.version)


def _sensors(facts: Facts) -> Iterator[Sensors]:
    """Scan the buses for sensors, on the running machine only."""
    from sensorml.buses import fault_codes
    from sensorml.buses.i2c_dev import KernelBus

    for adapter in facts.i2c if facts.live else ():
        if not adapter.node.exists:
            yield Sensors(adapter.bus, why_not="no device file: run modprobe i2c-dev")
            continue
        try:
            yield Sensors(adapter.bus, scan(adapter.bus, KernelBus))
        except BusError as err:
            yield Sensors(adapter.bus, why_not=str(err))
        except OSError as err:
            where = f"i2c-{adapter.bus}"
            error = fault_codes.explained(err, where, node=f"/dev/{where}")
            yield Sensors(adapter.bus, why_not=str(error).removeprefix(f"{where}: "))


def _threads(report: MachineReport, board: Board) -> list[int]:
    """Return the numbers of threads to measure: 1, the board's, all cores."""
    # The model runs on this machine's processor, also for a captured tree.
    cores = (report.facts.cpu.cores if report.facts.live else os.cpu_count()) or 1
    usual = board.cpu.threads if board.cpu else 1
    return sorted({1, min(usual, cores), cores})


def _try(
    path: Path,
    report: MachineReport,
    delegates: Mapping[str, Delegate],
    threads: Sequence[int],
) -> tuple[MachineReport, ModelResults]:
    """Run a model on every usable delegate; return the report with the verdicts.

    For a captured tree only this machine's CPU is tried.

    Raises:
        ModelError: the folder or file cannot be used.
        DelegateError: there is no TFLite runtime.
    """
    from sensorml.commands.probe.latency import choice, trials
    from sensorml.commands.probe.model import load

    model = load(path)
    verdicts = [
        verdict
        for verdict in report.delegates
        if report.facts.live or delegates[verdict.delegate].library is None
    ]
    tried = list(trials(model, verdicts, delegates, report.facts, threads))
    latencies = tuple(
        (trial.verdict.delegate, n, latency)
        for trial in tried
        for n, latency in trial.latencies.items()
    )
    why_not = ""
    if not latencies:
        why_not = f"{path}: no delegate can run it here: see the reason of each"
        if model.cpu is None:
            why_not = (
                f"{path}: it is compiled for the Edge TPU, and none can be used here: "
                "see the reason of each, or give the file it was compiled from"
            )
    on = "compared and measured on windows of random numbers, not on recordings"
    notes = tuple(filter(None, (model.note, on if latencies else "")))
    results = ModelResults(latencies, choice(tried, delegates), why_not, notes)
    new = {trial.verdict.delegate: trial.verdict for trial in tried}
    merged = tuple(new.get(verdict.delegate, verdict) for verdict in report.delegates)
    return replace(report, delegates=merged), results


def _document(
    report: MachineReport,
    sensors: Sequence[Sensors],
    results: ModelResults,
    tests: Sequence[Tested],
    delays: Sequence[WakeUp],
) -> dict[str, object]:
    """Return the document that --json prints."""
    latencies = [
        {
            "delegate": delegate,
            "threads": threads,
            "runs": latency.runs,
            "p50_us": latency.p50,
            "p95_us": latency.p95,
            "p99_us": latency.p99,
        }
        for delegate, threads, latency in results.latencies
    ]
    auto = results.auto
    return {
        **asdict(report),
        "runtime": _flat(report.runtime),
        "delegates": [{"usable": v.usable, **_flat(v)} for v in report.delegates],
        "sensors": [asdict(bus) for bus in sensors],
        "latency_us": latencies,
        "auto": auto and {"delegate": auto.delegate, "said": auto.sentence},
        "notes": results.notes,
        "self_tests": [asdict(test) for test in tests],
        "wake_up": [
            {**asdict(delay), "why_not": str(delay.why_not or "") or None}
            | {"rates_hz": delay.rates_hz}
            for delay in delays
        ],
    }


def _flat(verdict: RuntimeVerdict | Verdict) -> dict[str, object]:
    """Return a verdict with its reason as the keys why_not and cure."""
    fields = asdict(verdict)
    del fields["reason"]
    what, cure = verdict.reason or Reason("")
    return {**fields, "why_not": what or None, "cure": cure}


def _show(
    report: MachineReport, sensors: Sequence[Sensors], results: ModelResults
) -> None:
    """Print the report as text."""
    # Lines are folded on a terminal only, because output to a file may be searched.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name, value in machine(report, sensors):
        print(f"{name:<13}{printable(value)}".rstrip())
    print()
    for line in table(HEADINGS, [row(v) for v in report.delegates], width):
        print(line)
    if results.latencies:
        print()
        rows = [
            (delegate, str(threads), *(f"{p:.1f}" for p in (us.p50, us.p95, us.p99)))
            for delegate, threads, us in results.latencies
        ]
        headings = ("delegate", "threads", "p50 µs", "p95 µs", "p99 µs")
        for line in table(headings, rows, width):
            print(line)
    for note in results.notes:
        print(printable(note))
    if results.auto:
        print(printable(results.auto.sentence))
    warnings = [*report.warnings, *(w for v in report.delegates for w in v.warnings)]
    for warning in dict.fromkeys(warnings):  # two delegates may share a library
        print(f"warning: {printable(warning)}")


def _show_wake_ups(delays: Sequence[WakeUp]) -> None:
    from sensorml.commands.probe import wake_up

    print()
    for line in wake_up.lines(delays):
        print(line)


def _show_tests(tests: Sequence[Tested]) -> None:
    print()
    for test in tests:
        print(printable(str(test)))
    if not tests:
        print("self-test: no accelerometer with a self-test answers")
