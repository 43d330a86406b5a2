"""`sensorml check`: everything wrong with a configuration, at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml import config
from sensorml.assembly import problems
from sensorml.plugins import PLUGINS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")


def run(args: argparse.Namespace) -> int:
    checked = config.load(args.config, PLUGINS)
    found = problems(checked)
    for problem in found:
        print(problem)
    if found:
        return 2
    print(
        f"{args.config}: good: {len(checked.sensors)} sensors, "
        f"{len(checked.models)} models, {len(checked.alarms)} alarms, "
        f"{len(checked.sinks)} sinks",
        file=sys.stderr,
    )
    return 0
