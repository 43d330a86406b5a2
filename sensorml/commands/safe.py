"""`sensorml safe`: what systemd runs when the service has ended, however it did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml.alarms import fail_safe
from sensorml.errors import BusError, ConfigError
from sensorml.gpio import factory as gpiopins
from sensorml.gpio import lines as gpio
from sensorml.hardware.header import header_chip_here
from sensorml.schema import Decoder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config",
        type=Path,
        metavar="CONFIG",
        help="of which only the alarms' lines matter; and those that the service "
        "has noted, run by systemd, come first",
    )


def run(args: argparse.Namespace) -> int:
    decoder = Decoder(str(args.config))
    lines = fail_safe.read_lines()
    if lines is None:
        lines = fail_safe.configured_lines(args.config, decoder)
    gpiopins.use_chip(_header_chip)
    failed = False
    for line in lines:
        try:
            line.hold()
        except BusError as error:
            failed = True
            print(f"sensorml: {error}", file=sys.stderr)
        else:
            print(line)
    if lines and not failed and gpio.simulated():
        print("this machine has no GPIO: that was on paper only", file=sys.stderr)
    decoder.raise_if_any()
    return int(failed)


def _header_chip() -> int | None:
    try:
        return header_chip_here()
    except ConfigError as error:  # somebody's board: a line is worth more
        print(f"sensorml: {error}", file=sys.stderr)
        return header_chip_here(shipped=True)
