"""The command record as a process: what its end leaves."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from processes import sensorml, start, wait_for_line

from sensorml.recordings import read


def recording(tmp_path: Path, out: Path) -> subprocess.Popen[str]:
    """Start a long recording, and return when it has more than two seconds."""
    config = tmp_path / "box.toml"
    config.write_text(
        '[[sensor]]\nname = "motor"\ndriver = "mpu6050"\nbus = "sim"\nrate_hz = 1000\n'
    )
    process = start(
        "record", config, "--sensor", "motor", "--duration", "10", "--out", out
    )
    wait_for_line(process, "record motor 3/10")
    return process


@pytest.mark.parametrize(
    ("number", "ending"),
    [(signal.SIGINT, ".npz"), (signal.SIGTERM, ".csv"), (signal.SIGHUP, ".wav")],
)
def test_a_signal_ends_a_recording_that_is_whole(
    tmp_path: Path, number: signal.Signals, ending: str
):
    out = tmp_path / f"motor{ending}"
    process = recording(tmp_path, out)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert f"ended by {number.name}" in stderr
    rows = len(read(out).samples)
    assert f"{rows} samples" in stdout
    assert rows / 1000 > 1.5
    assert not list(tmp_path.glob("*.part"))


def test_after_a_kill_all_but_the_last_second_is_in_the_part(tmp_path: Path):
    out = tmp_path / "motor.npz"
    process = recording(tmp_path, out)
    process.kill()
    process.communicate()
    assert not out.exists()
    left = read(tmp_path / "motor.npz.part")
    last = left.segments[-1]
    seconds = (last.start_ns - left.start_ns) / 1e9
    seconds += (len(left.samples) - last.first) / last.rate_hz
    assert seconds > 1.9  # 3 s less the start and the last second
    again = sensorml(
        "record",
        tmp_path / "box.toml",
        "--sensor",
        "motor",
        "--duration",
        "1",
        "--out",
        out,
    )
    assert again.returncode == 0, again.stderr
    assert "motor-1.npz.part" in again.stderr
    kept = read(tmp_path / "motor-1.npz.part")
    assert len(kept.samples) == len(left.samples)
    assert out.exists()


def test_a_disk_that_is_full_keeps_the_part(tmp_path: Path):
    out = tmp_path / "motor.npz"
    config = tmp_path / "box.toml"
    config.write_text(
        '[[sensor]]\nname = "motor"\ndriver = "mpu6050"\nbus = "sim"\nrate_hz = 1000\n'
    )
    process = start(
        "record",
        *(config, "--sensor", "motor", "--duration", "10", "--out", out),
        file_bytes=20_000,
    )
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be written" in stderr
    assert "Traceback" not in stderr
    assert f"--to {out}" in stderr
    assert len(read(tmp_path / "motor.npz.part").samples) > 1000
