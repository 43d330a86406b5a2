"""Train a model on recordings of the healthy machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorml.commands._arguments import name
from sensorml.commands._progress import Progress
from sensorml.commands._recordings import (
    Notes,
    add_recording_arguments,
    expanded,
    table_options,
)

if TYPE_CHECKING:
    from sensorml.training.train import Trained

_ARCHITECTURES: Final = ("dense", "small", "wide")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the model folder"
    )
    parser.add_argument(
        "--window",
        type=_count,
        metavar="N",
        help="samples per window (default: by sample rate)",
    )
    parser.add_argument(
        "--hop",
        type=_count,
        metavar="N",
        help="samples from window to window (default: half a window)",
    )
    parser.add_argument(
        "--seed",
        type=_whole,
        default=0,
        metavar="N",
        help="of random numbers (default: 0)",
    )
    parser.add_argument(
        "--arch",
        choices=_ARCHITECTURES,
        default="dense",
        help="of the neural network (default: dense)",
    )
    parser.add_argument(
        "--features",
        type=_feature,
        metavar="KIND",
        help="input of the model: log_spectrum, envelope, statistics, raw, or the "
        "name of a plug-in",
    )
    parser.add_argument("--bands", type=_count, metavar="N", help="bands per spectrum")
    add_recording_arguments(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="train although the recordings or the threshold are refused",
    )
    parser.add_argument(
        "--name", type=name, help="name of the model (default: that of the folder)"
    )


def _add_sources(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--normal",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="recordings of the healthy machine, one or more for each operating state",
    )
    source.add_argument(
        "--pair",
        type=Path,
        metavar="FILE",
        help="train nothing: add the output of edgetpu_compiler to the model folder",
    )


def run(args: argparse.Namespace) -> int:
    if args.pair is not None:
        return _pair(args.pair, args.out)
    from sensorml.recordings import counted
    from sensorml.training.train import steps, train

    files = expanded(args.normal)
    count = 1 if args.join else len(files)
    notes = Notes()
    with (
        Progress("train", steps(count)) as progress,
        counted.observed(progress.read),
    ):
        trained = train(
            files,
            args.out,
            window=args.window,
            hop=args.hop,
            seed=args.seed,
            arch=args.arch,
            features=args.features,
            bands=args.bands,
            channels=args.channels,
            rate_hz=args.rate,
            unit=args.unit or "",
            table=table_options(args),
            join=args.join,
            on_read=notes.show,
            name=args.name,
            force=args.force,
            warn=_warn,
            report=progress.step,
        )
    notes.end()
    _show(trained, len(files))
    return 0


def _warn(what: str) -> None:
    print(f"warning: {what}", file=sys.stderr)


def _pair(compiled: Path, folder: Path) -> int:
    from sensorml.inference.tflite_file import read
    from sensorml.pipeline.model_card import CPU_FILE, EDGETPU_FILE
    from sensorml.training import edgetpu
    from sensorml.training.edgetpu_pair import pair

    pair(compiled, folder)
    print(f"added        {folder / EDGETPU_FILE}")
    print(f"Edge TPU     {edgetpu.report(read(folder / CPU_FILE))}")
    return 0


def _show(trained: Trained, files: int) -> None:
    from sensorml.inference.tflite_file import read
    from sensorml.pipeline.model_card import CPU_FILE
    from sensorml.training import edgetpu

    card = trained.card
    inputs, threshold = card.input, card.threshold
    window_s = inputs.window / inputs.rate_hz
    size = (trained.folder / CPU_FILE).stat().st_size
    expected = threshold.false_alarm_rate or 0.0
    print(f"model        {card.name}, version {card.version}")
    print(f"recordings   {files}, {inputs.rate_hz:g} Hz, {', '.join(inputs.channels)}")
    print(f"window       {inputs.window} samples ({window_s:.3g} s), hop {inputs.hop}")
    print(f"windows      {trained.fitted} learnt, {trained.calibrated} to calibrate")
    print(f"threshold    {threshold.value:g}")
    print(f"false alarms at most {expected:.1%} of windows, at 95 % confidence")
    print(f"missing rows {card.missing.rows} of a window do not matter")
    print(f"size         {size / 1024:.1f} kB")
    print(f"folder       {trained.folder}")
    print(f"Edge TPU     {edgetpu.report(read(trained.folder / CPU_FILE))}")
    compiling, adding = edgetpu.commands(trained.folder)
    print(f"  on x86-64  {compiling}")
    print(f"  then       {adding}")


def _count(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _feature(text: str) -> str:
    from sensorml import plugins
    from sensorml.errors import PluginError

    try:
        plugins.load("features", text)
    except PluginError as err:
        raise argparse.ArgumentTypeError(str(err)) from err
    return text
