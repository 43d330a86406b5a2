"""`record` beside the running service: two processes, one sensor."""

from __future__ import annotations

import json

import numpy as np
from processes import available, owner, sensorml, start, stop, wait_for_line

from sensorml.recordings import write_npz

RATE_HZ = 1000


def box(folder, sensor):
    config = folder / "box.toml"
    config.write_text(f'{sensor}\n[store]\npath = "journal.db"\n')
    return config


def counting(folder):
    """Return a configuration whose sensor counts its rows."""
    write_npz(
        folder / "count.npz",
        samples=np.arange(100 * RATE_HZ, dtype=np.float32)[:, None],
        rate_hz=float(RATE_HZ),
        channels=["count"],
        unit="",
        start_ns=0,
    )
    sensor = '[[sensor]]\nname = "motor"\ndriver = "file"\npath = "count.npz"\n'
    return box(folder, sensor)


def record(config, out, seconds=1):
    arguments = ("--sensor", "motor", "--duration", seconds, "--out", out)
    return sensorml("record", config, *map(str, arguments))


def test_a_recording_through_the_service_is_whole_and_the_service_loses_nothing(
    tmp_path,
):
    config, out = counting(tmp_path), tmp_path / "out.npz"
    service = start("run", config)
    wait_for_line(service, "motor: starting → ok")
    done = record(config, out, 2)
    assert done.returncode == 0, done.stderr
    assert stop(service)[0] == 0
    samples = np.load(out)["samples"].ravel()
    # A second reader of the file would have begun with its first row.
    assert samples[0] > 0
    assert np.array_equal(samples, samples[0] + np.arange(len(samples)))
    assert len(samples) >= 2 * RATE_HZ
    store = tmp_path / "journal.db"
    export = sensorml("export", "--store", store, "--kind", "sensors", "--format=jsonl")
    rows = [json.loads(line) for line in export.stdout.splitlines()]
    assert sum(row["rows"] for row in rows) > samples[-1]
    assert [row["missed"] for row in rows] == [0] * len(rows)
    assert not (tmp_path / "journal.db.sock").exists()


def test_a_recording_keeps_what_came_before_the_service_was_killed(tmp_path):
    config, out = counting(tmp_path), tmp_path / "out.npz"
    service = start("run", config)
    wait_for_line(service, "motor: starting → ok")
    recorder = start(
        "record", config, "--sensor", "motor", "--duration", "10", "--out", out
    )
    wait_for_line(recorder, "1 s")
    service.kill()
    service.communicate()
    _, log = recorder.communicate(timeout=20)
    assert recorder.returncode == 1
    assert "motor: the running service has ended" in log
    assert len(np.load(out)["samples"]) >= RATE_HZ / 2


def test_the_chip_of_another_process_is_refused_in_one_sentence(tmp_path):
    sensor = '[[sensor]]\nname = "motor"\ndriver = "adxl345"\nbus = 4321\n'
    config, out = box(tmp_path, sensor), tmp_path / "out.npz"
    with owner("address 0x53 on i2c-4321", "run", "other.toml") as process:
        done = record(config, out)
    assert done.returncode == 1
    assert done.stderr == (
        "sensorml: motor: address 0x53 on i2c-4321 is in use by process "
        f"{process.pid} (sensorml run other.toml): wait for its end, or stop it\n"
    )
    assert not out.exists()
    assert available("address 0x53 on i2c-4321")
