"""Two commands and one chip on a bus of the kernel: one owner, and no sample lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from adapter import Adapter, plugged
from processes import sensorml, start, stop, wait_for_line

from sensorml.buses.ownership import held
from sensorml.errors import InUseError
from sensorml.sim.chips import adxl345
from sensorml.sim.machine import Machine, MachineOptions

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

RATE_HZ = 800
SECONDS = 10
CHIP = "address 0x53 on i2c-1"
BOX = f"""
[[sensor]]
name = "motor"
driver = "adxl345"
bus = 1
rate_hz = {RATE_HZ}
[store]
path = "{{store}}.db"
"""


@pytest.fixture
def chip():
    """An ADXL345 on i2c-1."""
    chip = adxl345.Chip(Machine(MachineOptions()))
    adapter = Adapter({0x53: chip})
    adapter.speed_hz = 400_000
    with plugged(adapter):
        yield chip


def config(folder: Path, name: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(BOX.format(store=name))
    return path


def record(config: Path, out: Path, seconds: float):
    arguments = ("--sensor", "motor", "--duration", seconds, "--out", out)
    return sensorml("record", config, *map(str, arguments))


def started(log: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start a command that writes into a log."""
    command = [sys.executable, "-m", "sensorml", *map(str, arguments)]
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


def counts(store: Path) -> tuple[int, int, set[str]]:
    """Return the rows, the missed rows and the states of the sensor."""
    export = sensorml("export", "--store", store, "--kind", "sensors", "--format=jsonl")
    rows = [json.loads(line) for line in export.stdout.splitlines()]
    states = {row["state"] for row in rows}
    return sum(r["rows"] for r in rows), sum(r["missed"] for r in rows), states


def test_a_second_reader_is_refused_and_the_service_loses_nothing(
    chip, tmp_path, figure
):
    service = start("run", config(tmp_path, "box"))
    wait_for_line(service, "motor: starting → ok")
    time.sleep(SECONDS)
    begun_s = time.monotonic()
    with pytest.raises(InUseError), held(CHIP):
        pass
    refused_s = time.monotonic() - begun_s
    done = record(config(tmp_path, "other"), tmp_path / "other.npz", 2)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"sensorml: motor: {CHIP} is in use by process {service.pid} (sensorml run "
    )
    probe = sensorml("probe")
    assert f"(in use by process {service.pid} (sensorml run " in probe.stdout
    time.sleep(SECONDS)
    assert stop(service)[0] == 0
    rows, missed, states = counts(tmp_path / "box.db")
    figure(
        f"a second reader is refused within {refused_s * 1e3:.1f} ms; the service "
        f"had {rows} samples and missed {missed}"
    )
    assert refused_s < 0.1
    assert (missed, states) == (0, {"ok"})
    assert rows > 2 * SECONDS * RATE_HZ * 0.99


def test_a_recording_through_the_service_is_a_part_of_its_samples(chip, tmp_path):
    box, out = config(tmp_path, "box"), tmp_path / "out.npz"
    service = start("run", box)
    wait_for_line(service, "motor: starting → ok")
    done = record(box, out, 5)
    assert done.returncode == 0, done.stderr
    assert " 0 missed" in done.stdout
    assert stop(service)[0] == 0
    rows, missed, states = counts(tmp_path / "box.db")
    assert (missed, states) == (0, {"ok"})
    assert rows > 5 * RATE_HZ * 0.99
    recording = np.load(out)
    assert recording["rate_hz"] == pytest.approx(RATE_HZ, rel=0.01)
    assert len(recording["samples"]) == pytest.approx(5 * RATE_HZ, rel=0.05)


def test_a_service_that_starts_beside_a_recording_gets_the_chip_afterwards(
    chip, tmp_path
):
    out, log = tmp_path / "out.npz", tmp_path / "log"
    arguments = ("--sensor", "motor", "--duration", str(SECONDS), "--out", out)
    recorder = started(
        tmp_path / "recorder", "record", config(tmp_path, "a"), *arguments
    )
    time.sleep(SECONDS / 5)
    service = started(log, "run", config(tmp_path, "b"))
    time.sleep(SECONDS * 2)
    service.terminate()
    assert (recorder.wait(), service.wait()) == (0, 0)
    owner = f"{CHIP} is in use by process {recorder.pid} (sensorml record "
    absent, ok = (line for line in log.read_text().splitlines() if "motor" in line)
    assert f"motor: starting → absent: {owner}" in absent
    assert ok.endswith("motor: absent → ok")
    assert len(np.load(out)["samples"]) == pytest.approx(SECONDS * RATE_HZ, rel=0.01)
