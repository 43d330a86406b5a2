"""`sensorml check`: everything wrong with a configuration, at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml.config import availability as presence
from sensorml.config import loading
from sensorml.delegates.descriptor import delegates
from sensorml.errors import ConfigError, Problem
from sensorml.hardware.boards import boards
from sensorml.resources import folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")


def run(args: argparse.Namespace) -> int:
    problems = _descriptors()
    try:
        config = loading.load(args.config)
        here = [] if problems else presence.warnings_here(config)
    except ConfigError as error:
        problems = [*error.problems, *problems]
    if problems:
        print(*problems, sep="\n")
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


def _descriptors() -> list[Problem]:
    """Find what is wrong in boards/ and delegates/, /etc/sensorml's too."""
    problems: list[Problem] = []
    for read in (
        lambda: boards(folders("boards")),
        lambda: delegates(folders("delegates")),
    ):
        try:
            read()
        except ConfigError as error:
            problems += error.problems
    return problems
