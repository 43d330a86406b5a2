"""Run the service; without a configuration, a demo on a simulated machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import sensorml
from sensorml.commands._arguments import file, seconds
from sensorml.config import loading
from sensorml.service.log_thread import LogThread
from sensorml.service.run import Viewer
from sensorml.service.run import run as serve

DEMO: Final = Path(sensorml.__file__).with_name("demo.toml")

log = logging.getLogger("sensorml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", nargs="?", type=Path, metavar="CONFIG", help="default: the demo"
    )
    parser.add_argument(
        "--duration", type=seconds, metavar="S", help="stop after S seconds"
    )
    parser.add_argument("--store", type=file, metavar="FILE", help="the journal")
    parser.add_argument(
        "--no-web", action="store_true", help="do not serve the live page"
    )


def run(args: argparse.Namespace) -> int:
    if args.config is None:
        config = loading.load(DEMO)
        store = args.store or _demo_store()
    else:
        config = loading.load(args.config)
        store = args.store or config.store_path()
    with LogThread(_log_format()):
        not_stored = asyncio.run(
            serve(config, store, duration_s=args.duration, viewer=_viewer())
        )
        if not_stored:
            log.error("%s", not_stored)
        else:
            log.info("to export the results: sensorml export --store %s", store)
    return int(bool(not_stored))


def _log_format() -> str:
    """Return the format of log lines; systemd's journal adds the time itself."""
    return (
        "%(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(message)s"
    )


def _viewer() -> Viewer | None:
    """Return the live view on a terminal; elsewhere changes are logged."""
    if not sys.stderr.isatty():
        return None
    from sensorml.service.terminal import show

    return show


def _demo_store() -> Path:
    """Return the path of the demo's journal, in the XDG folder for state."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    except RuntimeError:  # this user has no home folder
        state = gettempdir()
    return Path(state) / "sensorml" / "demo.db"
