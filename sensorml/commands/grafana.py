"""Write the data source and the dashboard of a device for Grafana."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sensorml.commands._arguments import name
from sensorml.errors import OptionError
from sensorml.grafana import Database, write
from sensorml.process import plain
from sensorml.storage.http_client import check_url

_NEXT = {
    "v1": "INFLUX_USER and INFLUX_PASSWORD, if the server needs them",
    "v2": "INFLUX_TOKEN, with a token that may read the bucket",
    "v3": "INFLUX_TOKEN, with a token that may read the database",
}
_URLS = {
    "v1": "http://127.0.0.1:8086",
    "v2": "http://127.0.0.1:8086",
    "v3": "http://127.0.0.1:8181",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for provisioning/ and dashboards/, usually /etc/grafana",
    )
    parser.add_argument(
        "--api",
        choices=sorted(_NEXT),
        default="v2",
        help="version of the InfluxDB API (default: v2)",
    )
    parser.add_argument("--url", type=_url, help="address of InfluxDB for Grafana")
    parser.add_argument(
        "--database",
        "--bucket",
        type=name,
        default="sensorml",
        metavar="NAME",
        help="database (v1, v3) or bucket (v2) of the [[sink]] (default: sensorml)",
    )


def _url(text: str) -> str:
    """Check an address; a password in it would stand in the files."""
    if "@" in text:
        raise argparse.ArgumentTypeError(
            "has a user or a password in it: leave them out, Grafana reads them from "
            "its environment"
        )
    try:
        check_url(text, "it", "write http://HOST:PORT")
    except OptionError as err:
        raise argparse.ArgumentTypeError(plain(str(err))) from err
    return text


def run(args: argparse.Namespace) -> int:
    database = Database(
        api=args.api, url=args.url or _URLS[args.api], name=args.database
    )
    written = write(database, args.out)
    for path in written:
        print(path)
    print(f"Set in Grafana's environment: {_NEXT[args.api]}.", file=sys.stderr)
    return 0
