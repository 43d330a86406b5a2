"""Show what recordings are understood to be, and check them as train does."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import msgspec

from sensorml.commands._progress import Progress
from sensorml.commands._recordings import (
    add_recording_arguments,
    expanded,
    table_options,
)
from sensorml.errors import OutputError
from sensorml.recordings import Recording, counted, read
from sensorml.recordings.content import content_of
from sensorml.recordings.inspection import picture
from sensorml.recordings.inspection.facts import Facts, inspect
from sensorml.recordings.inspection.words import words
from sensorml.recordings.joining import read_each
from sensorml.recordings.writers import write, writer_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="recordings"
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="OUT.png",
        help="draw waveform, spectrum and spectrogram (.png .svg .pdf .html)",
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="OUT.npz",
        help="convert the recording (.npz .csv .wav .parquet)",
    )
    add_recording_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    files = expanded(args.files)
    _refuse_early(args, len(files))
    reader = partial(
        read,
        channels=args.channels,
        rate_hz=args.rate,
        unit=args.unit or "",
        table=table_options(args),
    )
    found: list[Facts] = []
    count = 1 if args.join else len(files)
    shown = args.json or not sys.stdout.isatty()
    with (
        Progress("inspect", count, shown=shown) as progress,
        counted.observed(progress.read),
    ):
        for recording in read_each(files, reader, join=args.join):
            facts = inspect(recording)
            found.append(facts)
            if not args.json:
                print(words(facts), flush=True)
            if args.plot is not None:
                picture.save(args.plot, recording, facts, words(facts))
            if args.to is not None:
                _convert(recording, args.to)
            progress.step(str(recording.path))
    if args.json:
        print(msgspec.json.encode({"files": found}).decode())
    return 0


def _refuse_early(args: argparse.Namespace, files: int) -> None:
    """Refuse outputs that cannot be written, before anything is read."""
    for option, path in (("--plot", args.plot), ("--to", args.to)):
        if path is not None and files > 1 and not args.join:
            raise OutputError(
                f"{path}: {option} takes one recording, and there are {files}: name "
                "one, or use --join"
            )
    if args.plot is not None:
        picture.check(args.plot)
    if args.to is not None:
        writer_for(args.to)


def _convert(recording: Recording, path: Path) -> None:
    for lost in write(path, content_of(recording)):
        print(f"{path}: {lost}", file=sys.stderr)
