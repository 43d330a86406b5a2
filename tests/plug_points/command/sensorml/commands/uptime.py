"""Print for how many seconds this computer has run."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--whole", action="store_true", help="without decimals")


def run(args: argparse.Namespace) -> int:
    seconds = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    print(int(seconds) if args.whole else seconds)
    return 0
