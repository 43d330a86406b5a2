"""Show the size, rows and backlog of a journal; check, repair or shrink it."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from sensorml.commands._arguments import file
from sensorml.commands._progress import Progress
from sensorml.errors import StoreError
from sensorml.files import shown
from sensorml.process import plain
from sensorml.storage.checking import Findings, check
from sensorml.storage.corruption import DamageError
from sensorml.storage.mending import repair, vacuum
from sensorml.storage.survey import Survey, survey

_PIECES: Final = 2_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("file", nargs="?", type=file, metavar="FILE", help="the journal")
    which.add_argument("--store", type=file, metavar="FILE", help="the same")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    work = parser.add_mutually_exclusive_group()
    work.add_argument(
        "--check",
        action="store_true",
        help="read every row and its checksum, also beside the service",
    )
    work.add_argument(
        "--repair",
        action="store_true",
        help="save the good rows into a new file, while the service is stopped",
    )
    work.add_argument(
        "--vacuum",
        action="store_true",
        help="give free pages back to the disk, while the service is stopped",
    )


def run(args: argparse.Namespace) -> int:
    path: Path = args.file or args.store
    if not path.exists():
        raise StoreError(
            f"{shown(path)}: no such file: name the journal of a service that has run"
        )
    if args.check:
        return _check(path, as_json=args.json)
    if args.repair:
        return _repair(path)
    if args.vacuum:
        before, after = vacuum(path)
        print(f"{before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")
        return 0
    found = survey(path)
    if args.json:
        sys.stdout.write(
            msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"
        )
    else:
        _print(found)
    return 0


def _check(path: Path, *, as_json: bool) -> int:
    findings = _checked(path)
    if as_json:
        document = {
            "file": str(path),
            "ok": not str(findings),
            "rows": findings.rows,
            "damage": findings.damage,
            "wrong": [{"kind": kind, "id": id_} for kind, id_ in findings.wrong],
        }
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    elif text := str(findings):
        print(plain(f"{path}: {text}: sensorml store --repair {path}"))
    else:
        print(f"{findings.rows:,} rows are as they were written")
    return 1 if str(findings) else 0


def _checked(path: Path) -> Findings:
    steps = 1
    try:
        spans = [k.last_id - k.first_id + 1 for k in survey(path).kinds.values()]
        steps += sum(-(-span // _PIECES) for span in spans)
    except DamageError as err:
        return Findings(plain(str(err.__cause__)))
    with Progress("check", steps) as progress:
        return check(path, progress=lambda kind, _: progress.step(kind))


def _repair(path: Path) -> int:
    findings = _checked(path)
    if not str(findings):
        print(f"{findings.rows:,} rows are as they were written: nothing to repair")
        return 0
    for line in repair(path, findings):
        print(plain(line))
    return 0


def _print(found: Survey) -> None:
    size = found.bytes + found.wal_bytes
    print(
        f"{plain(found.file)}: {size / 1e6:,.1f} MB (of these "
        f"{found.wal_bytes / 1e6:,.1f} WAL, {found.free_bytes / 1e6:,.1f} free), "
        f"version {found.version}"
    )
    about = "" if found.counted else "≤ "
    for kind, rows in found.kinds.items():
        if rows.rows:
            span = f"{_time(rows.oldest_ns)} to {_time(rows.newest_ns)}"
            print(f"  {kind:<11}{about + format(rows.rows, ','):>14} rows  {span}")
    for sink in sorted({*found.backlog, *found.letters}):
        backlog, letters = found.backlog.get(sink, 0), found.letters.get(sink, 0)
        print(f"  sink {plain(sink)}: {backlog:,} rows to send, {letters:,} refused")
    for name, bytes_ in found.damaged_files.items():
        state = "being saved" if name in found.restoring else "kept"
        print(f"  damaged file {plain(name)}: {bytes_ / 1e6:,.1f} MB, {state}")


def _time(time_ns: int) -> str:
    try:
        return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
