"""The command line: one module in `commands` for each command.

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration. Only the chosen
command is imported, so that a start costs no more than it needs.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol, cast

import sensorml
from sensorml import commands, process
from sensorml.errors import ConfigError, SensormlError


class Command(Protocol):
    """A module in `commands`; its first line, a docstring's, is the help text.

    The file `own_name.py` is the command `own-name`. A file whose name begins with
    an underscore is no command.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options and arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code of the process."""
    process.open_streams()
    try:
        with process.ended_by_signals():
            return _main(list(sys.argv[1:] if argv is None else argv))
    except process.EndedError as ended:
        return 128 + ended.number
    except KeyboardInterrupt:
        return 130


def _main(arguments: list[str]) -> int:
    title = (sensorml.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(
        prog="sensorml", description=title, allow_abbrev=False
    )
    parser.add_argument(
        "--version", action="version", version=f"sensorml {sensorml.__version__}"
    )
    choices = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    files = _command_files()
    if not arguments or arguments[0] not in files:
        for name, file in files.items():
            choices.add_parser(name, help=_first_line(file))
        return _run(lambda: _no_command(parser, arguments))
    name = arguments[0]
    # Imported modules are never garbage; a collection would look through them all.
    gc.disable()
    module = import_module(f"{commands.__name__}.{name.replace('-', '_')}")
    gc.freeze()
    gc.enable()
    command = cast("Command", module)
    text = _first_line(files[name])
    chosen = choices.add_parser(name, description=text, allow_abbrev=False)
    command.add_arguments(chosen)
    return _run(lambda: command.run(parser.parse_args(arguments)))


def _no_command(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    args = parser.parse_args(arguments)
    parser.error(f"the command must come first: sensorml {args.command} …")


def _command_files() -> dict[str, str]:
    """Return the path of every command's file, by the command's name.

    Without pathlib and pkgutil, because their import takes longer than `--version`.
    """
    files = {}
    for folder in commands.__path__:
        for entry in os.scandir(folder):
            module = entry.name.removesuffix(".py")
            if module.isidentifier() and not module.startswith("_"):
                path = f"{entry.path}/__init__.py" if entry.is_dir() else entry.path
                files[module.replace("_", "-")] = path
    return dict(sorted(files.items()))


def _first_line(file: str) -> str:
    """Return the first line of a module's docstring, without importing it."""
    with open(file, encoding="utf-8") as lines:  # noqa: PTH123 - as above
        return lines.readline().strip().strip('"')


def _run(work: Callable[[], int]) -> int:
    """Run the work and write out its results; report an expected failure."""
    try:
        code = _flushed(work)
    except ConfigError as error:
        for problem in error.problems:
            print(process.plain(str(problem)), file=sys.stderr)  # noqa: T201
        code = 2
    except SensormlError as error:
        print(f"sensorml: {process.plain(str(error))}", file=sys.stderr)  # noqa: T201
        code = 1
    except BrokenPipeError:  # the reader of the results has closed the pipe
        code = 0
    else:
        return code
    process.drop_results()
    return code


def _flushed(work: Callable[[], int]) -> int:
    try:
        return work()
    finally:
        sys.stdout.flush()
