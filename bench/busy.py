"""Samples that are lost while other programs keep all processors busy.

An ADXL345 at 800 Hz and an MPU6050 at 1 kHz on one simulated bus, with the niceness and
the CPU weight of the unit, and four programs that never wait: with real-time scheduling
of the bus's thread, and without. It needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Observation
from bench.service import rows

PROGRAMS = 4
SECONDS = 600.0
WITHOUT_S = 60.0
CONFIG = """
[[sensor]]
name = "ADXL345"
driver = "adxl345"
bus = "sim"
rate_hz = 800
[[sensor]]
name = "MPU6050"
driver = "mpu6050"
bus = "sim"
rate_hz = 1000
[[model]]
name = "m"
path = "models/demo"
sensor = "ADXL345"
"""
UNIT = ["sh", "-c", 'echo -20 >/proc/self/autogroup; exec nice -n -10 "$@"', "unit"]
"""The weight of a session of its own, nearly that of `CPUWeight=10000`."""
NORMAL = ["setpriv", "--bounding-set=-sys_nice"]


def observe(folder: Path, seconds: float = SECONDS) -> list[Observation]:
    what = f"missed samples beside {PROGRAMS} programs that never wait"
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return [Observation(what, "not measured", "it needs root and setpriv")]
    config = folder / "busy.toml"
    config.write_text(CONFIG)
    with busy_processors():
        lost = _lost(config, UNIT, seconds)
        lost_without = _lost(config, [*UNIT, *NORMAL], min(seconds, WITHOUT_S))
    how = f"ADXL345 at 800 Hz, MPU6050 at 1 kHz, {os.cpu_count()} processors"
    return [
        Observation(what, lost, f"{how}, SCHED_FIFO, {seconds:g} s; promised 0"),
        Observation(
            "the same without real-time scheduling",
            lost_without,
            f"{min(seconds, WITHOUT_S):g} s",
        ),
    ]


@contextmanager
def busy_processors() -> Iterator[None]:
    """Keep all processors busy within the `with` block."""
    programs = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(PROGRAMS)
    ]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _lost(config: Path, scheduled: list[str], seconds: float) -> str:
    """Run the service; return the missed rows of each sensor, of how many."""
    store = config.with_name(f"busy-{len(scheduled)}.db")
    command = [*scheduled, sys.executable, "-m", "sensorml", "run", str(config)]
    service = subprocess.Popen(
        [*command, "--store", str(store)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    service.send_signal(signal.SIGTERM)
    service.wait()
    counts: dict[str, tuple[int, int]] = {}
    for row in rows(store, "sensor"):
        there, missed = counts.get(name := str(row["sensor"]), (0, 0))
        counts[name] = (
            there + int(str(row["rows"])),
            missed + int(str(row["missed"])),
        )
    return ", ".join(
        f"{name} {missed} of {there + missed}"
        for name, (there, missed) in counts.items()
    )
