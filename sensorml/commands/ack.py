"""Acknowledge an alarm of the running service."""

from __future__ import annotations

import argparse
import getpass
import os
from contextlib import closing
from pathlib import Path
from typing import Final

from sensorml.commands._arguments import file, name
from sensorml.errors import ServiceError
from sensorml.service import control
from sensorml.service.messages import Acknowledge, Done, Refused

_ANSWER_S: Final = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("alarm", type=name, metavar="ALARM")
    parser.add_argument(
        "--store",
        type=file,
        metavar="FILE",
        default=Path("/var/lib/sensorml/journal.db"),
        help="the journal of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--by", type=name, metavar="NAME", help="who has seen it (default: the user)"
    )


def run(args: argparse.Namespace) -> int:
    """Ask the service that has the journal.

    Raises:
        ServiceError: none runs, it admits other users only, or it refuses.
    """
    try:
        client = control.connect(args.store)
    except PermissionError as err:
        what = f"{control.path_of(args.store)} admits other users only"
        raise ServiceError(
            what, "use sudo, or add the user to the group of the service"
        ) from err
    if client is None:
        what = f"no service runs with the journal {args.store}"
        raise ServiceError(what, "start it, or name its journal with --store")
    request = Acknowledge(alarm=args.alarm, by=args.by or _user())
    with closing(client):
        match next(control.ask(client, request, _ANSWER_S), None):
            case Done():
                return 0
            case Refused(what=what, cure=cure):
                raise ServiceError(what, cure)
    raise ServiceError("the service does not answer", "restart it")


def _user() -> str:
    """Return the name of the person, also where sudo has changed the user."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
