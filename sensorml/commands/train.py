"""`sensorml train`: recordings of a healthy machine in, a model folder out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensorml.commands.progress import Progress

if TYPE_CHECKING:
    from sensorml.training.train import Trained

_ARCHITECTURES: Final = ("dense", "small", "wide")


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
        help="train nothing: add what edgetpu_compiler made of the folder's model",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the model folder"
    )
    parser.add_argument(
        "--window", type=_count, metavar="N", help="samples a window; by sample rate"
    )
    parser.add_argument(
        "--hop", type=_count, metavar="N", help="samples from window to window; half"
    )
    parser.add_argument("--seed", type=_whole, default=0, metavar="N")
    parser.add_argument("--arch", choices=_ARCHITECTURES, default="dense")
    parser.add_argument(
        "--features",
        type=_feature,
        metavar="KIND",
        help="what the model sees: log_spectrum, envelope, statistics, raw, or that of "
        "a package",
    )
    parser.add_argument("--bands", type=_count, metavar="N", help="bands a spectrum")
    parser.add_argument(
        "--channels", type=_names, metavar="A,B", help="columns to use; all"
    )
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="sample rate, where a file has none"
    )
    parser.add_argument("--name", help="of the model; the folder's")


def run(args: argparse.Namespace) -> int:
    if args.pair is not None:
        return _pair(args.pair, args.out)
    from sensorml.training.train import steps, train

    with Progress("train", steps(len(args.normal))) as progress:
        trained = train(
            args.normal,
            args.out,
            window=args.window,
            hop=args.hop,
            seed=args.seed,
            arch=args.arch,
            features=args.features,
            bands=args.bands,
            channels=args.channels,
            rate_hz=args.rate,
            name=args.name,
            report=progress.step,
        )
    _show(trained, len(args.normal))
    return 0


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
    wants, threshold = card.input, card.threshold
    window_s = wants.window / wants.rate_hz
    size = (trained.folder / CPU_FILE).stat().st_size
    expected = threshold.false_alarm_rate or 0.0
    print(f"model        {card.name}, version {card.version}")
    print(f"recordings   {files}, {wants.rate_hz:g} Hz, {', '.join(wants.channels)}")
    print(f"window       {wants.window} samples ({window_s:.3g} s), hop {wants.hop}")
    print(f"windows      {trained.fitted} learnt, {trained.calibrated} to calibrate")
    print(f"threshold    {threshold.value:g}")
    print(f"false alarms at most {expected:.1%} of windows, at 95 % confidence")
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


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
