"""Real databases and a broker on loopback, each in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

_INFLUXD_TOML = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  max-body-size = {max_body}
  log-enabled = false
"""


def binary(name: str, package: str) -> str:
    """Return the path of a server's program; skip without it, and fail in CI."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed: apt-get install {package}"
        if os.environ.get("SENSORML_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process that keeps its port and its data over `stop` and `start`."""

    def __init__(self, command: list[str], port: int, ready: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, f"{self._command[0]} did not start"
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer"
            time.sleep(0.01)  # because it reports nowhere that it is ready

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def get(self, path: str, **query: str) -> str:
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **query: str) -> str:
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, data=b"", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def _answers(self) -> bool:
        try:
            self.get(self._ready)
        except (urllib.error.URLError, ConnectionError):
            return False
        return True


class Influxd(Server):
    """InfluxDB 1.6."""

    def __init__(
        self, folder: Path, *, auth: bool = False, max_body: int = 25_000_000
    ) -> None:
        port = free_port()
        config = folder / "influxd.toml"
        config.write_text(
            _INFLUXD_TOML.format(
                folder=folder,
                port=port,
                rpc=free_port(),
                auth=str(auth).lower(),
                max_body=max_body,
            )
        )
        program = binary("influxd", "influxdb")
        super().__init__([program, "-config", str(config)], port, "/ping")

    def rows(self, database: str, measurement: str) -> list[dict[str, object]]:
        """Return every row with its time in ns and None for an absent field."""
        text = f'SELECT * FROM "{measurement}"'  # tags come back as columns too
        answer = json.loads(self.get("/query", db=database, epoch="ns", q=text))
        [result] = answer["results"]
        return [
            dict(zip(series["columns"], values, strict=True))
            for series in result.get("series", [])
            for values in series["values"]
        ]


class VictoriaMetrics(Server):
    """VictoriaMetrics, which stores times in ms and no strings."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        command = [
            binary("victoria-metrics", "victoria-metrics"),
            f"-storageDataPath={folder}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
        ]
        super().__init__(command, port, "/health")

    def samples(self, match: str) -> dict[str, list[tuple[int, float]]]:
        """Return (time in ms, value) for every metric whose name matches."""
        self.get("/internal/force_flush")
        text = self.get(
            "/api/v1/export",
            **{"match[]": f'{{__name__=~"{match}"}}', "start": "0"},
        )
        samples: dict[str, list[tuple[int, float]]] = {}
        for line in text.splitlines():
            series = json.loads(line)
            pairs = zip(series["timestamps"], series["values"], strict=True)
            samples.setdefault(series["metric"]["__name__"], []).extend(pairs)
        return samples


class Mosquitto(Server):
    """The MQTT broker; `tls` gives it a certificate signed by itself, `ca.pem`."""

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        tls: bool = False,
    ) -> None:
        self.port = free_port()
        program = binary("mosquitto", "mosquitto")
        # Without `user root` it would change to a user who cannot read the folder.
        config = [f"listener {self.port} 127.0.0.1", "persistence false", "user root"]
        if users is None:
            config.append("allow_anonymous true")
        else:
            file = folder / "users"
            file.touch()
            for name, password in users.items():
                tool = binary("mosquitto_passwd", "mosquitto")
                subprocess.run([tool, "-b", file, name, password], check=True)
            config.append(f"password_file {file}")
        if tls:
            self.ca = folder / "ca.pem"
            key = folder / "key.pem"
            certify(self.ca, key)
            config += [f"certfile {self.ca}", f"keyfile {key}"]
        path = folder / "mosquitto.conf"
        path.write_text("\n".join(config) + "\n")
        super().__init__([program, "-c", str(path)], self.port, "")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def certify(certificate: Path, key: Path) -> None:
    """Write a self-signed certificate for loopback, and its key."""
    subprocess.run(
        [
            *(binary("openssl", "openssl"), "req", "-x509", "-nodes"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", key, "-out", certificate, "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
