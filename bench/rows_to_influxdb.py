"""CPU per row from the journal to a real InfluxDB 1, beside influxdb-client's API.

Both read the same prediction rows from the same SQLite file in batches and write them
to one influxd, which is started here. Ours: the sink as in the service, with its own
batches. The client's, in batches of 5000, the size that suits it best: a `Point` for
each row, then its synchronous write API with its defaults (no gzip). CPU is user and
system time of this process alone.
"""

# The client is not typed throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

import random
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from influxdb_client._sync.api_client import ApiClient
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS

from bench.figures import Figure, paired
from sensorml.interfaces import Delivered, Row
from sensorml.sinks.influxdb import Options, Sink
from sensorml.storage.journal import Journal
from sensorml.storage.line_protocol import FIELDS, TIME
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS, TAGS

ROWS = 50_000
DEVICE = "raspberrypi"
DELAYS_NS = (1_500_000, 110_000, 600, 15_000, 700)
"""Sample to result, features, quantise, invoke, decide: as on a Pi 4."""

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""


def measure(folder: Path, rounds: int = 3) -> list[Figure]:
    store = folder / "journal.db"
    fill(store, ROWS)
    server = Influxd(folder)
    server.start()
    try:
        post(f"{server.url}/query?q=CREATE+DATABASE+bench")
        ours, theirs = Ours(server.url), Theirs(server.url)
        pair = paired(
            lambda: cpu_us(store, ours), lambda: cpu_us(store, theirs), rounds
        )
        ours.sink.close()
    finally:
        server.kill()
    what = "a row from the journal to InfluxDB, CPU"
    named = "influxdb-client, Point + SYNCHRONOUS"
    return [Figure(what, pair, "µs", 1 / 5, named)]


def fill(store: Path, rows: int) -> None:
    """Write a journal with the rows of a model at three windows a second."""
    rng = random.Random(1)
    start_ns = 1_700_000_000_000_000_000
    journal = Journal.open(store)
    journal.append(
        {
            "prediction": [
                (
                    start_ns + i * 320_000_000,
                    start_ns + i * 320_000_000 + 512_000_000,
                    *("motor", "motor-anomaly", "1.2.0", "cpu"),
                    rng.lognormvariate(0, 1),
                    2.5,
                    "normal",
                    1.0,
                    *(int(rng.gauss(ns, ns / 20)) for ns in DELAYS_NS),
                    0,
                    "",
                    None,
                )
                for i in range(rows)
            ]
        }
    )
    journal.close()


class Way(Protocol):
    """One way to write rows to the server."""

    batch_rows: int

    def send(self, rows: Sequence[Row]) -> None: ...


def cpu_us(store: Path, way: Way) -> float:
    """Send the whole journal; return the CPU of a row in µs."""
    reader = Reader.open(store)
    sent = last_id = 0
    began = time.process_time()
    while rows := reader.rows("prediction", last_id, way.batch_rows):
        way.send(rows)
        sent += len(rows)
        last_id = cast("int", rows[-1][-1])
    spent = time.process_time() - began
    reader.close()
    return spent / sent * 1e6


class Ours:
    """The sink, used as in the service."""

    def __init__(self, url: str) -> None:
        options = Options(url=url, api="v1", database="bench")
        self.sink = Sink(options, {"device": DEVICE})
        self.batch_rows = self.sink.batch_rows

    def send(self, rows: Sequence[Row]) -> None:
        outcome = self.sink.send("prediction", rows)
        assert isinstance(outcome, Delivered), outcome


class Theirs:
    """The client's documented API."""

    batch_rows = 5000

    def __init__(self, url: str) -> None:
        client = InfluxDBClient(url=url, token="none", org="-")
        client.api_client = cast("ApiClient", V1(client.api_client))
        self._write = client.write_api(write_options=SYNCHRONOUS)
        columns = COLUMNS["prediction"]
        self._time = columns.index(TIME["prediction"])
        self._tags = [(n, columns.index(n)) for n in TAGS["prediction"]]
        self._fields = [(n, columns.index(n)) for n in FIELDS["prediction"]]

    def send(self, rows: Sequence[Row]) -> None:
        self._write.write(bucket="bench", record=[self._point(row) for row in rows])

    def _point(self, row: Row) -> Point:
        point = Point("prediction")
        point.tag("device", DEVICE)
        point.time(row[self._time])
        for name, i in self._tags:
            point.tag(name, row[i])
        for name, i in self._fields:
            if row[i] is not None and row[i] != "":
                point.field(name, row[i])
        return point


class V1:
    """The client's transport with the path of InfluxDB 1."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def call_api(
        self,
        _path: str,
        method: str,
        path_params: object,
        _query: object,
        *rest: object,
        **named: object,
    ) -> object:
        query = [("db", "bench"), ("precision", "ns")]
        return self._api.call_api("/write", method, path_params, query, *rest, **named)

    def __getattr__(self, name: str) -> object:
        return getattr(self._api, name)


class Influxd:
    """InfluxDB 1 on loopback, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._config = folder / "influxd.toml"
        self._config.write_text(
            _CONFIG.format(folder=folder, port=port, rpc=free_port())
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["influxd", "-config", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/ping", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("influxd does not answer")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def post(url: str) -> None:
    urllib.request.urlopen(url, data=b"", timeout=10).close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
