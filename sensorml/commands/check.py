"""`sensorml check`: everything wrong with a configuration, at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml import loading, presence
from sensorml.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")


def run(args: argparse.Namespace) -> int:
    try:
        config = loading.load(args.config)
        here = presence.warnings_here(config)
    except ConfigError as error:
        print(*error.problems, sep="\n")
        return 2
    for warning in (*config.warnings, *here):
        print(f"warning: {warning}", file=sys.stderr)
    has = {
        "sensor": config.sensors,
        "model": config.models,
        "alarm": config.alarms,
        "sink": config.sinks,
    }
    counts = (
        f"{len(each)} {word}{'s'[: len(each) != 1]}" for word, each in has.items()
    )
    print(f"{args.config}: good: {', '.join(counts)}", file=sys.stderr)
    return 0
