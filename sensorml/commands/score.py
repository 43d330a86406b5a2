"""Run a model over recordings and write a score for every window."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from sensorml.commands._progress import Progress
from sensorml.commands._recordings import (
    Notes,
    add_recording_arguments,
    expanded,
    table_options,
)
from sensorml.delegates.choice import open_engine
from sensorml.errors import OutputError
from sensorml.files import replacing_text
from sensorml.interfaces import Engine
from sensorml.pipeline import model_files
from sensorml.pipeline.model_card import Card
from sensorml.recordings import Recording, counted
from sensorml.recordings.inspection import picture
from sensorml.recordings.joining import read_each
from sensorml.training.plot import plot
from sensorml.training.scoring import Summary, check, read, score
from sensorml.types import Prediction

HEADER: Final = "file,window,start_ns,end_ns,score,threshold,anomaly,state,quality"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="recordings"
    )
    parser.add_argument(
        "--model", type=Path, required=True, metavar="DIR", help="the model folder"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="default: standard output"
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="OUT.png",
        help="draw the samples and the scores (.png .svg .pdf .html)",
    )
    parser.add_argument(
        "--delegate", default="auto", metavar="NAME", help="default: auto"
    )
    add_recording_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print a summary instead of the rows"
    )


def run(args: argparse.Namespace) -> int:
    card = model_files.load(args.model)
    summary = Summary("")
    with closing(open_engine(args.model, card, delegate=args.delegate)) as engine:
        summary.delegate = engine.delegate
        with _rows(args) as out:
            _score(args, card, engine, summary, out)
    if args.json:
        print(json.dumps(_document(summary)))
    elif args.out is not None:
        for file in summary.files:
            print(
                f"{file.file}: {file.anomalies} of {file.windows} windows over the "
                f"threshold, {file.state}",
                file=sys.stderr,
            )
    return 0


def _rows(args: argparse.Namespace) -> AbstractContextManager[TextIO | None]:
    """Open the output of the rows: a file or standard output; with --json none."""
    if args.out is not None:
        return replacing_text(args.out)
    return nullcontext(None if args.json else sys.stdout)


def _score(
    args: argparse.Namespace,
    card: Card,
    engine: Engine,
    summary: Summary,
    out: TextIO | None,
) -> None:
    labels = bool(card.output.labels)
    header = HEADER + (",label,probability" if labels else "") + "\n"
    files = expanded(args.files)
    reader = partial(
        read,
        card=card,
        channels=args.channels,
        rate_hz=args.rate,
        unit=args.unit,
        table=table_options(args),
    )
    count = 1 if args.join else len(files)
    notes = Notes()
    if args.plot is not None:
        _check_plot(args.plot, count)
    with (
        Progress("score", count, shown=out is not sys.stdout) as progress,
        counted.observed(progress.read),
    ):
        for recording in _timed(read_each(files, reader, join=args.join), summary):
            check(recording, card.input)
            notes.show(recording)
            if out is not None:
                # Written late, so that a first file that fails leaves no header.
                out.write(header if not summary.files else "")
            name = _quoted(str(recording.path))
            kept: list[Prediction] = []
            for prediction in score(recording, card, engine, summary):
                if out is not None:
                    out.write(_row(name, prediction, labels=labels))
                if args.plot is not None:
                    kept.append(prediction)
            if args.plot is not None:
                _draw(args.plot, recording, kept, summary)
            progress.step(str(recording.path))
    notes.end()


def _check_plot(path: Path, recordings: int) -> None:
    """Refuse a picture that cannot be drawn, before anything is read."""
    if recordings > 1:
        raise OutputError(
            f"{path}: --plot takes one recording, and there are {recordings}: name "
            "one, or use --join"
        )
    picture.check(path)


def _draw(
    path: Path, recording: Recording, kept: list[Prediction], summary: Summary
) -> None:
    file = summary.files[-1]
    text = (
        f"{file.anomalies} of {file.windows} windows over the threshold, {file.state}"
    )
    title = recording.path.name
    picture.write(path, plot(recording, kept), title=title, text=text)


def _timed(recordings: Iterator[Recording], summary: Summary) -> Iterator[Recording]:
    """Yield recordings; add the time of their reading."""
    while True:
        begun = time.perf_counter()
        recording = next(recordings, None)
        summary.seconds += time.perf_counter() - begun
        if recording is None:
            return
        yield recording


def _row(name: str, p: Prediction, *, labels: bool) -> str:
    tail = f",{p.label},{p.probability:.6g}" if labels else ""
    return (
        f"{name},{p.window},{p.start_ns},{p.end_ns},{p.score:.9g},{p.threshold:.9g},"
        f"{int(p.score > p.threshold)},{p.state.value},{p.quality:.6g}{tail}\n"
    )


def _quoted(text: str) -> str:
    """Quote a CSV field that needs it (RFC 4180)."""
    if any(character in text for character in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _document(summary: Summary) -> dict[str, object]:
    return {
        "windows": summary.windows,
        "samples": summary.samples,
        "seconds": round(summary.seconds, 6),
        "samples_per_s": round(summary.samples_per_s, 1),
        "delegate": summary.delegate,
        "files": [
            {
                "file": file.file,
                "windows": file.windows,
                "anomalies": file.anomalies,
                "state": file.state,
            }
            for file in summary.files
        ],
        "latency_us": {
            stage: _percentiles(spent) for stage, spent in summary.stages_ns.items()
        },
    }


def _percentiles(spent_ns: list[int]) -> dict[str, float]:
    """Return percentiles of a stage's time per window, in µs."""
    if not spent_ns:
        return {}
    ranks = np.percentile(spent_ns, [50, 95, 99, 100]) / 1e3
    names = ("p50", "p95", "p99", "max")
    return dict(zip(names, np.round(ranks, 2).tolist(), strict=True))
