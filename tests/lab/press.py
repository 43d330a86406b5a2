"""A press with a sensor on it, a model that tells at once when it strikes, and
the service as a process of its own.
"""

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
from support import model_folder

from sensorml.pipeline.model_files import sha256
from sensorml.sim.chips import mpu6050
from sensorml.training.tflite_writer import Dense, float_model

RATE_HZ = 500
WINDOW = 25
STRIKE_G = 1.5
THRESHOLD = 1.0
SOON_S = 0.3
"""From what happens to the press until all has followed, a read of the sensor and
a window later."""

CARD = f"""
name = "strike"
version = "1"
kind = "anomaly"
[input]
channels = ["x", "y", "z"]
unit = "g"
rate_hz = {RATE_HZ}.0
window = {WINDOW}
hop = {WINDOW}
frozen_rows = 0
[features]
kind = "raw"
remove_dc = false
[output]
score = "value"
[threshold]
value = {THRESHOLD}
[files]
"model.tflite" = "{{sha256}}"
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


def alarm(name: str, more: str) -> str:
    """Return an alarm's table: on as soon as the press strikes, off as soon as not."""
    return f"""
[[alarm]]
name = "{name}"
model = "strike"
of = [1, 1]
clear_after_s = 0
{more}
"""


class Press:
    """What the sensor feels: `g` on x, 1 g on z, and on y a little of everything
    around, without which it would be frozen.
    """

    def __init__(self) -> None:
        self.g = 0.0
        self.chip = mpu6050.Chip(self)  # it asks for nothing but `acceleration`

    def acceleration(self, at_s: np.ndarray) -> np.ndarray:
        around = 0.01 * np.sin(40 * at_s)
        return np.stack([self.g + 0 * at_s, around, 1 + 0 * at_s], 1)


def write_model(folder: Path) -> None:
    """Write a model whose score is the mean of x."""
    model_folder(folder, text=CARD)
    weights = np.zeros((1, 3 * WINDOW), np.float32)
    weights[0, ::3] = 1 / WINDOW  # rows are of x, y, z
    file = folder / "model.tflite"
    file.write_bytes(float_model([Dense(weights, np.zeros(1, np.float32), relu=False)]))
    card = folder / "model.toml"
    card.write_text(CARD.replace("{sha256}", sha256(file)))


class Service:
    """`sensorml run` with a configuration; started and ended as often as one likes."""

    def __init__(self, folder: Path, tables: str, **environ: str) -> None:
        write_model(folder / "strike")
        (folder / "lab.toml").write_text(CONFIG + tables)
        self.folder = folder
        self._log = folder / "log"
        self._heard = 0
        self._environ = os.environ | environ

    def start(self, *, user: int | None = None) -> None:
        """Start it in its folder, where all that it names is."""
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

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def says(self, text: str, within_s: float = 60.0) -> None:
        """Wait for the next line of its log with this text."""

        def said() -> bool:
            ended = self.process.poll() is not None
            if text in self.log[self._heard :]:
                return True
            assert not ended, self.log
            return False

        wait_for(said, within_s)
        self._heard = self.log.index(text, self._heard) + len(text)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal that ends it; return its exit status."""
        self.tell(number)
        return self.process.wait(30)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the journal."""
        with closing(sqlite3.connect(self.folder / "journal.db")) as journal:
            return list(journal.execute(query))


@contextmanager
def pressed() -> Iterator[Press]:
    """Have a press whose sensor is on i2c-1."""
    press = Press()
    adapter = Adapter({0x68: press.chip})
    adapter.speed_hz = 400_000
    with plugged(adapter):
        yield press
