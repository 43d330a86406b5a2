"""Write the data source and the dashboard of a device for Grafana."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

from sensorml.commands._arguments import name
from sensorml.files import shown
from sensorml.grafana import Database, write

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
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and text.isascii()
        secret, _ = "@" in parts.netloc, parts.port
    except ValueError:
        usable = secret = False
    if secret:
        raise argparse.ArgumentTypeError(
            "has a user or a password in it: leave them out, Grafana reads them from "
            "its environment"
        )
    if not usable or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(
            f"{shown(text)!r} is no address: write it as http://HOST:PORT"
        )
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
