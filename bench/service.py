"""Delay, missed samples, recovery and losses of a service on a simulated ADXL345.

A real influxd is killed for ten seconds, then the service itself is killed and started
again. At the end the rows of the journal are compared with those of the database. Bus
and chip are simulated, so the delay covers the wait in the FIFO, threads, windows,
model and decision, but not the transfer on a wire.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import closing
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from bench.figures import Observation
from bench.rows_to_influxdb import Influxd, post
from sensorml.storage.reader import Reader
from sensorml.storage.tables import COLUMNS

OUTAGE_S = 10
SINK = (
    '\n[[sink]]\ndriver = "influxdb"\nurl = "{url}"\napi = "v1"\ndatabase = "bench"\n'
)


def observe(folder: Path) -> list[Observation]:
    server = Influxd(folder)
    config, store = folder / "service.toml", folder / "service.db"
    demo = (files("sensorml") / "demo.toml").read_text("utf-8")
    config.write_text(demo + SINK.format(url=server.url))
    server.start()
    post(f"{server.url}/query?q=CREATE+DATABASE+bench")
    try:
        service = start(config, store)
        time.sleep(8)
        server.kill()
        time.sleep(OUTAGE_S)
        server.start()
        back = time.monotonic()
        while behind(store, server.url):
            time.sleep(0.05)
        caught_up_s = time.monotonic() - back
        windows = rows(store, "prediction")
        service.kill()
        service.wait()
        service = start(config, store)
        time.sleep(3)
        service.send_signal(signal.SIGTERM)
        service.wait()
        all_windows = rows(store, "prediction")
        stored = counted(server.url)
    finally:
        server.kill()
    delays = sorted(float(str(row["delay_ns"])) / 1e6 for row in windows)
    silent_s = restart_gap_s(all_windows)
    gaps = sum(row["quality"] != 1 for row in windows)
    return [
        Observation(
            "sample → alarm",
            f"p50 {delays[len(delays) // 2]:.1f} ms, "
            f"p99 {delays[int(0.99 * (len(delays) - 1))]:.1f} ms",
            "last sample of a window taken → result; the line is set at once",
        ),
        Observation(
            "missed samples",
            f"in {gaps} of {len(windows)} windows",
            "windows with a gap, at 800 Hz, the database killed meanwhile",
        ),
        Observation(
            "recovery",
            f"{silent_s:.2f} s",
            "service killed → next window judged, 0.64 s of it the window itself",
        ),
        Observation(
            f"loss over {OUTAGE_S} s without a database",
            f"{len(all_windows) - stored} of {len(all_windows)} rows, "
            f"all there {caught_up_s:.1f} s after its return",
            "journal against InfluxDB 1.6.7",
        ),
    ]


def start(config: Path, store: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sensorml", "run", str(config), "--store", str(store)],
        stderr=subprocess.DEVNULL,
    )


def rows(store: Path, kind: str) -> list[dict[str, object]]:
    with closing(Reader.open(store)) as reader:
        numbered = reader.rows(kind, 0, 100_000)
    return [dict(zip(COLUMNS[kind], row[:-1], strict=True)) for row in numbered]


def behind(store: Path, url: str) -> bool:
    """Return whether windows from before the database's return are still missing."""
    with closing(Reader.open(store)) as reader:
        return counted(url) + 5 < reader.last_id("prediction")


def counted(url: str) -> int:
    """Return the number of predictions in the database."""
    query = urllib.parse.urlencode(
        {"db": "bench", "q": "SELECT count(score) FROM prediction"}
    )
    with urllib.request.urlopen(f"{url}/query?{query}", timeout=10) as answer:
        [result] = json.load(answer)["results"]
    return int(result["series"][0]["values"][0][1]) if "series" in result else 0


def restart_gap_s(windows: list[dict[str, object]]) -> float:
    """Return the longest time between the ends of consecutive windows."""
    ends = [int(str(row["end_ns"])) for row in windows]
    return max(b - a for a, b in pairwise(ends)) / 1e9
