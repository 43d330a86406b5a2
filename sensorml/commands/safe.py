"""`sensorml safe`: what systemd runs when the service has ended, however it did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml import failsafe, wiring
from sensorml.buses import gpio
from sensorml.errors import BusError
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
    lines = failsafe.noted()
    if lines is None:
        lines = failsafe.configured(args.config, decoder)
    wiring.use_header()
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
