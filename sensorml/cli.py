"""The command line: one file in `commands/` for each command.

Exit codes: 0 done, 1 it ran and failed, 2 wrong usage or configuration.
Only the chosen command is imported: a start costs what it needs.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, Protocol, cast

import sensorml
from sensorml.errors import ConfigError, SensormlError

COMMANDS: Final = {
    "run": "run the service; without a configuration, a demo on a simulated machine",
    "check": "validate a configuration without touching hardware",
    "safe": "leave the lines of a configuration's alarms at their fail-safe level",
    "probe": "say what this machine has: board, buses, accelerators, delegates",
    "record": "make a recording from a sensor",
    "train": "make a model folder from normal recordings",
    "score": "run a model over recordings",
    "export": "write the journal out as CSV or JSON lines",
    "grafana": "write data source and dashboard for Grafana",
}


class Command(Protocol):
    """What a module in `commands/` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code of the process."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    title = (sensorml.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(
        prog="sensorml", description=title, allow_abbrev=False
    )
    parser.add_argument(
        "--version", action="version", version=f"sensorml {sensorml.__version__}"
    )
    # Modules stay: a collector that looks through them finds nothing, over and over.
    gc.disable()
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    command: Command | None = None
    for name, text in COMMANDS.items():
        chosen = choices.add_parser(
            name, help=text, description=text.capitalize(), allow_abbrev=False
        )
        if name in arguments[:1]:
            command = cast("Command", import_module(f"sensorml.commands.{name}"))
            command.add_arguments(chosen)
    gc.freeze()
    gc.enable()
    args = parser.parse_args(arguments)
    if command is None:
        parser.error(f"the command must come first: sensorml {args.command} …")
    return _run(command, args)


def _run(command: Command, args: argparse.Namespace) -> int:
    try:
        return command.run(args)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return 2
    except SensormlError as error:
        print(f"sensorml: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except BrokenPipeError:
        # The reader has had enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
