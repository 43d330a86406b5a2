"""Check a configuration and report every problem; no hardware is touched."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml.config import availability, loading
from sensorml.delegates.descriptor import delegates
from sensorml.errors import ConfigError, Problem
from sensorml.hardware.boards import boards
from sensorml.process import plain
from sensorml.resources import folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")


def run(args: argparse.Namespace) -> int:
    problems = _descriptors()
    try:
        config = loading.load(args.config)
        here = [] if problems else availability.warnings_here(config)
    except ConfigError as error:
        problems = [*error.problems, *problems]
    if problems:
        print(*(plain(str(problem)) for problem in problems), sep="\n")
        return 2
    for warning in (*config.warnings, *here):
        print(f"warning: {plain(str(warning))}", file=sys.stderr)
    tables = {
        "sensor": config.sensors,
        "model": config.models,
        "alarm": config.alarms,
        "sink": config.sinks,
    }
    counts = (
        f"{len(rules)} {kind}{'s'[: len(rules) != 1]}" for kind, rules in tables.items()
    )
    print(f"{args.config}: good: {', '.join(counts)}", file=sys.stderr)
    return 0


def _descriptors() -> list[Problem]:
    """Return the problems of all board and delegate files, also in /etc/sensorml."""
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
