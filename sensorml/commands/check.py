"""`sensorml check`: everything wrong with a configuration, at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml import loading
from sensorml.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")


def run(args: argparse.Namespace) -> int:
    try:
        config = loading.load(args.config)
    except ConfigError as error:
        print(*error.problems, sep="\n")
        return 2
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(
        f"{args.config}: good: {len(config.sensors)} sensors, "
        f"{len(config.models)} models, {len(config.alarms)} alarms, "
        f"{len(config.sinks)} sinks",
        file=sys.stderr,
    )
    return 0
