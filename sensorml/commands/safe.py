"""Set the lines of all alarms to their fail-safe level, after the service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml.alarms import fail_safe
from sensorml.errors import BusError, ConfigError
from sensorml.gpio import factory
from sensorml.gpio.lines import simulated
from sensorml.hardware.header import header_chip_here
from sensorml.schema import Decoder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        type=Path,
        metavar="CONFIG",
        help="only the lines of its alarms are used, and only if the service has "
        "left no list of the lines that it drove",
    )


def run(args: argparse.Namespace) -> int:
    decoder = Decoder(str(args.config))
    lines = fail_safe.read_lines()
    if lines is None:
        lines = fail_safe.configured_lines(args.config, decoder)
    factory.use_chip(_header_chip)
    outcomes = [_hold(line) for line in lines]
    # Printed later, because an output that is closed must stop no line.
    for line, error in zip(lines, outcomes, strict=True):
        if error:
            print(f"sensorml: {error}", file=sys.stderr)
        else:
            print(line)
    failed = any(outcomes)
    if lines and not failed and simulated():
        print("this machine has no GPIO: no real line has changed", file=sys.stderr)
    decoder.raise_if_any()
    return int(failed)


def _hold(line: fail_safe.SafeLine) -> str:
    """Set a line to its safe level; return the failure, "" if there is none."""
    try:
        line.hold()
    except BusError as error:
        return str(error)
    return ""


def _header_chip() -> int | None:
    try:
        return header_chip_here()
    except ConfigError as error:  # a wrong board file in /etc must not stop this
        print(f"sensorml: {error}", file=sys.stderr)
        return header_chip_here(shipped=True)
