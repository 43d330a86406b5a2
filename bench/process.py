"""Memory and start of the service, against a process that only runs the model."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bench.figures import Figure, medians
from bench.live import DEMO

MINIMAL = """
import sys
import numpy as np
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
input_details = interpreter.get_input_details()[0]
index, shape, dtype = (input_details[key] for key in ("index", "shape", "dtype"))
interpreter.set_tensor(index, np.zeros(shape, dtype))
interpreter.invoke()
print(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).sum(),
      flush=True)
sys.stdin.read()
"""

CONFIG = """
[[sensor]]
name = "motor"
{source}
[[model]]
name = "m"
path = "{model}"
sensor = "motor"
[[alarm]]
name = "a"
model = "m"
[store]
path = "process.db"
"""

LIVE = 'driver = "adxl345"\nbus = "sim"\nrate_hz = 800\nrange_g = 4'
RECORDED = 'driver = "file"\npath = "start.npz"\npace = "fast"'
"""A recording gives its first window at once, so only our own start is measured."""


def measure(folder: Path, rounds: int = 21) -> list[Figure]:
    live, recorded = folder / "live.toml", folder / "recorded.toml"
    live.write_text(CONFIG.format(source=LIVE, model=DEMO))
    recorded.write_text(CONFIG.format(source=RECORDED, model=DEMO))
    rows = np.random.default_rng(0).normal(0, 0.05, (8000, 3)).astype(np.float32)
    rows[:, 2] += 1
    np.savez(
        folder / "start.npz",
        samples=rows,
        rate_hz=800.0,
        channels=np.array(["x", "y", "z"]),
        unit=np.array("g"),
    )
    start: list[tuple[float, float]] = []
    rss: list[tuple[float, float]] = []
    for _ in range(rounds):
        minimal_s, minimal_mb = _minimal()
        start.append((_ready_s(recorded), minimal_s))
        if len(rss) < 3:  # because memory hardly varies
            rss.append((_rss_mb(live), minimal_mb))
    named = "import numpy and the runtime, one invoke"
    return [
        Figure("service, resident memory", medians(rss), "MB", 1.6, named),
        Figure("service, start to first result", medians(start), "s", 2.5, named),
    ]


def _minimal() -> tuple[float, float]:
    """Return the seconds until the minimal process has its result, and its memory."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", MINIMAL, str(DEMO / "model.tflite")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - begun, _memory_mb(process.pid)


def _ready_s(config: Path) -> float:
    """Return the seconds until the service notifies systemd that it is ready."""
    path = config.with_name("notify")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(30)
        begun = time.perf_counter()
        with _service(config, NOTIFY_SOCKET=str(path)) as process:
            while not notify.recv(4096).startswith(b"READY=1"):
                pass
            seconds = time.perf_counter() - begun
            process.send_signal(signal.SIGTERM)
    return seconds


def _rss_mb(config: Path) -> float:
    """Return the memory of the service after four seconds."""
    with _service(config) as process:
        time.sleep(4)
        memory_mb = _memory_mb(process.pid)
        process.send_signal(signal.SIGTERM)
    return memory_mb


def _service(config: Path, **environ: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sensorml", "run", str(config)],
        env=os.environ | environ,
        stderr=subprocess.DEVNULL,
    )


def _memory_mb(pid: int) -> float:
    """Return the peak resident size, from proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
