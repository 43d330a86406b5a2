"""A simulated press with a sensor, a model of its strokes, and the service."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from adapter import Adapter, plugged, wait_for

from sensorml.pipeline.model_files import sha256
from sensorml.sim.chips import mpu6050
from sensorml.training.tflite_writer import Dense, float_model

RATE_HZ = 500
WINDOW = 25
STRIKE_G = 1.5
SETTLE_S = 0.3
"""The time from a change of the press to its effects on all lines, which come a read
of the sensor and a window later."""

_CARD = """
name = "strike"
version = "1"
kind = "anomaly"
[input]
channels = ["x", "y", "z"]
unit = "g"
rate_hz = {rate_hz}.0
window = {window}
hop = {window}
frozen_rows = 0
[features]
kind = "raw"
remove_dc = false
[output]
score = "value"
[threshold]
value = {threshold}
[files]
"model.tflite" = "{sha256}"
"""

CONFIG = f"""
device = "lab"
[[sensor]]
name = "press"
driver = "mpu6050"
bus = 1
rate_hz = {RATE_HZ}
range_g = 4
[[model]]
name = "strike"
path = "strike"
sensor = "press"
delegate = "cpu"
"""


def alarm(name: str, keys: str) -> str:
    """Return the table of an alarm that is on while the press strikes."""
    return f"""
[[alarm]]
name = "{name}"
model = "strike"
of = [1, 1]
clear_after_s = 0
{keys}
"""


class Press:
    """The acceleration of a press: `g` on x, 1 g on z, and a small vibration on y.

    Without the vibration the sensor would count as frozen.
    """

    def __init__(self) -> None:
        self.g = 0.0
        self.chip = mpu6050.Chip(self)  # which needs only `acceleration`

    def acceleration(self, at_s: np.ndarray) -> np.ndarray:
        vibration = 0.01 * np.sin(40 * at_s)
        return np.stack([self.g + 0 * at_s, vibration, 1 + 0 * at_s], 1)


def write_model(
    folder: Path,
    *,
    rate_hz: int = RATE_HZ,
    window: int = WINDOW,
    threshold: float = 1.0,
) -> None:
    """Write a model whose score is the mean of x in g."""
    folder.mkdir(parents=True)
    weights = np.zeros((1, 3 * window), np.float32)
    weights[0, ::3] = 1 / window  # a row is x, y, z
    model = folder / "model.tflite"
    model.write_bytes(
        float_model([Dense(weights, np.zeros(1, np.float32), relu=False)])
    )
    card = _CARD.format(
        rate_hz=rate_hz, window=window, threshold=threshold, sha256=sha256(model)
    )
    (folder / "model.toml").write_text(card)


class Service:
    """`sensorml run` with a configuration, which can be started several times."""

    def __init__(
        self, folder: Path, tables: str, *, machine: str = CONFIG, **environ: str
    ) -> None:
        """Write the configuration: the tables of the machine, and further ones."""
        write_model(folder / "strike")
        (folder / "lab.toml").write_text(machine + tables)
        self.folder = folder
        self._log = folder / "log"
        self._read_to = 0
        self._environ = os.environ | environ

    def start(self, *, user: int | None = None) -> None:
        """Start it in its folder, because its configuration has relative paths."""
        command = ["run", "lab.toml", "--store", "journal.db", "--no-web"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sensorml", *command],
                cwd=self.folder,
                env=self._environ,
                stderr=log,
                user=user,
                extra_groups=None if user is None else [],
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_for_log(self, text: str, within_s: float = 60.0) -> None:
        """Wait until the part of the log that is not yet read holds a text."""

        def logged() -> bool:
            ended = self.process.poll() is not None
            if text in self.log[self._read_to :]:
                return True
            assert not ended, self.log
            return False

        wait_for(logged, within_s)
        self._read_to = self.log.index(text, self._read_to) + len(text)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal that ends it; return its exit status."""
        self.send(number)
        return self.process.wait(30)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of a query to the journal."""
        with closing(sqlite3.connect(self.folder / "journal.db")) as journal:
            return list(journal.execute(sql))


@contextmanager
def press_on_bus() -> Iterator[Press]:
    """Yield a press whose sensor is on i2c-1."""
    press = Press()
    adapter = Adapter({0x68: press.chip})
    adapter.speed_hz = 400_000
    with plugged(adapter):
        yield press
