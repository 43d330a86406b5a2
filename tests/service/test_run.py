"""The service as a process: the demo, stopping, faults of disk, samples and power."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.resources import files

import numpy as np
import pytest
from processes import sensorml, start, stop, wait_for_line

from sensorml.errors import StoreError
from sensorml.recordings import write_npz
from sensorml.resources import folders
from sensorml.storage.reader import Reader

MODEL = folders("models")[0] / "demo"


def demo(tmp_path, *, fault_after_s: float) -> str:
    """Write the demo's own configuration with another time of the fault."""
    text = (files("sensorml") / "demo.toml").read_text("utf-8")
    assert "fault_after_s = 12" in text
    path = tmp_path / "demo.toml"
    path.write_text(text.replace("= 12", f"= {fault_after_s}"))
    return path


def rows(store, kind):
    export = sensorml("export", "--store", store, "--kind", kind, "--format", "jsonl")
    assert export.returncode == 0, export.stderr
    return [json.loads(line) for line in export.stdout.splitlines()]


def committed(store) -> bool:
    """Return whether a prediction is in the journal."""
    try:
        with closing(Reader.open(store)) as reader:
            return reader.last_id("prediction") > 0
    except StoreError:
        return False


def healthy(seconds: float, *, seed: int = 3):
    """Return samples like those of the demo model's training."""
    from sensorml.sim.machine import Machine, MachineOptions

    t_s = np.arange(round(seconds * 800)) / 800
    return Machine(MachineOptions(seed=seed)).acceleration(t_s).astype(np.float32)


def write_recording(path, samples, **more):
    write_npz(
        path,
        samples=samples,
        rate_hz=800,
        channels=["x", "y", "z"],
        unit="g",
        start_ns=1_700_000_000_000_000_000,
        **more,
    )
    return path


def configured(tmp_path, *, store="journal.db", pace="fast", extra=""):
    """Write a configuration that scores healthy.npz with the demo's model."""
    path = tmp_path / "box.toml"
    path.write_text(
        f"""
        device = "box"
        [[sensor]]
        name = "motor"
        driver = "file"
        path = "healthy.npz"
        pace = "{pace}"
        [[model]]
        name = "m"
        path = "{MODEL}"
        sensor = "motor"
        [[alarm]]
        name = "bad"
        model = "m"
        [store]
        path = "{store}"
        timing_s = 1
        {extra}
        """
    )
    return path


def test_the_demo_raises_its_alarm_only_after_the_fault(tmp_path):
    store = tmp_path / "demo.db"
    config = demo(tmp_path, fault_after_s=6)
    run = sensorml("run", config, "--duration", "12", "--store", store)
    assert run.returncode == 0, run.stderr
    predictions = rows(store, "predictions")
    began = predictions[0]["start_ns"]  # the machine starts with its sensor
    alarms = [r for r in rows(store, "alarms") if r["state"] == "alarm"]
    # A busy machine may lose samples, and the alarm is then unknown for a window.
    assert {r["alarm"] for r in alarms} == {"motor-bad"}, run.stderr
    assert alarms[0]["time_ns"] - began > 6e9
    before = [p for p in predictions if p["end_ns"] - began < 6e9]
    assert len(before) >= 14
    assert sum(p["state"] == "anomaly" for p in before) == 0
    stages = {r["stage"] for r in rows(store, "timings")}
    assert stages == {"sample_to_result", "features", "quantise", "invoke", "decide"}


def test_live_and_recorded_samples_have_the_same_scores(tmp_path):
    write_recording(tmp_path / "healthy.npz", healthy(30))
    config = configured(tmp_path)
    run = sensorml("run", config)  # ends with the recording, its only source
    assert run.returncode == 0, run.stderr
    live = [r["score"] for r in rows(tmp_path / "journal.db", "predictions")]
    scored = sensorml("score", "--model", MODEL, tmp_path / "healthy.npz")
    assert scored.returncode == 0, scored.stderr
    lines = [line.split(",") for line in scored.stdout.splitlines()]
    assert lines[0][:5] == ["file", "window", "start_ns", "end_ns", "score"]
    assert len(live) == len(lines) - 1 == (30 * 800 - 512) // 256 + 1
    assert live == pytest.approx([float(line[4]) for line in lines[1:]], rel=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service_after_its_queue_with_status_0(tmp_path, number):
    store = tmp_path / "demo.db"
    process = start("run", "--store", store)
    wait_for_line(process, "unknown → normal")
    code, log = stop(process, number)
    assert code == 0, log
    states = [r["state"] for r in rows(store, "events") if r["event"] == "service"]
    assert states == ["started", "stopped"]
    assert rows(store, "predictions")


def test_a_killed_service_leaves_a_journal_that_the_next_one_continues(tmp_path):
    write_recording(tmp_path / "healthy.npz", healthy(30))
    config = configured(tmp_path, pace="real")
    process = start("run", config)
    wait_for_line(process, "unknown → normal")
    while not committed(tmp_path / "journal.db"):
        pass
    process.kill()
    process.communicate()
    run = sensorml("run", config, "--duration", "2")
    assert run.returncode == 0, run.stderr
    ids = [r["id"] for r in rows(tmp_path / "journal.db", "events")]
    assert ids == sorted(set(ids))
    states = [r["state"] for r in rows(tmp_path / "journal.db", "events")]
    assert states.count("started") == 2
    assert states.count("stopped") == 1


def test_a_full_disk_costs_history_but_no_alarm(tmp_path):
    config = demo(tmp_path, fault_after_s=8)
    store = tmp_path / "full.db"
    process = start("run", config, "--store", store, file_bytes=80_000)
    log = wait_for_line(process, "store journal: failed")
    assert "may not write files above" in log[-1]
    wait_for_line(process, "→ alarm")
    code, rest = stop(process)
    # With such a limit, some commits succeed.
    assert bool(code) == (" rows are not stored: " in rest.splitlines()[-1]), rest
    assert "Traceback" not in rest


def test_an_unwritable_folder_costs_history_but_no_alarm(tmp_path):
    (tmp_path / "file").write_text("a file instead of a folder")
    config = demo(tmp_path, fault_after_s=3)
    process = start("run", config, "--store", tmp_path / "file" / "journal.db")
    log = "".join(wait_for_line(process, "→ alarm"))
    assert "store journal: failed" in log
    assert stop(process)[0] == 1


def test_a_corrupt_journal_is_set_aside_and_the_service_starts(tmp_path):
    write_recording(tmp_path / "healthy.npz", healthy(5))
    store = tmp_path / "journal.db"
    store.write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    run = sensorml("run", configured(tmp_path))
    assert run.returncode == 0, run.stderr
    assert [p.name for p in tmp_path.glob("journal.db.corrupt-*")]
    assert any("corrupt-" in r["detail"] for r in rows(store, "events"))
    assert rows(store, "predictions")


def test_windows_with_a_gap_have_no_score(tmp_path):
    samples = healthy(10)
    t_ns = 1_700_000_000_000_000_000 + (np.arange(len(samples)) * 1_250_000)
    t_ns[4000:] += 40 * 1_250_000
    write_recording(tmp_path / "healthy.npz", samples, t_ns=t_ns)
    assert sensorml("run", configured(tmp_path)).returncode == 0
    windows = rows(tmp_path / "journal.db", "predictions")
    unknown = [w for w in windows if w["state"] == "unknown"]
    assert len(unknown) == 2
    assert all(w["score"] is None for w in unknown)
    assert [round(w["quality"], 4) for w in unknown] == [round(512 / 552, 4)] * 2
    [event] = [
        r for r in rows(tmp_path / "journal.db", "events") if r["state"] == "overrun"
    ]
    assert "40 samples" in event["detail"]


def test_a_frozen_sensor_makes_the_alarm_unknown(tmp_path):
    samples = healthy(12)
    samples[4000:8000] = samples[4000]
    write_recording(tmp_path / "healthy.npz", samples)
    assert sensorml("run", configured(tmp_path)).returncode == 0
    changes = [r["state"] for r in rows(tmp_path / "journal.db", "alarms")]
    assert changes[:3] == ["normal", "unknown", "normal"]
    assert "alarm" not in changes
    sensor = [r["state"] for r in rows(tmp_path / "journal.db", "events")]
    assert "frozen" in sensor


def test_every_problem_of_a_configuration_is_reported_before_the_start(tmp_path):
    config = configured(tmp_path, extra='[extra]\n[web]\nlisten = "0.0.0.0:1"')
    for command in ("run", "check"):
        completed = sensorml(command, config)
        assert completed.returncode == 2
        output = completed.stdout + completed.stderr
        assert "extra: unknown key" in output
        assert "token_file" in output
        assert "healthy.npz" in output
        assert "Traceback" not in output
    assert not (tmp_path / "journal.db").exists()


def test_a_terminal_shows_a_live_view(tmp_path):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sensorml",
            "run",
            "--duration",
            "3",
            "--store",
            str(tmp_path / "demo.db"),
        ],
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # EIO: the process has closed the terminal
            pass
        assert process.wait() == 0
    os.close(ours)
    for text in ("motor-anomaly", "motor-bad", "800", "cpu", "delay"):
        assert text in output.decode()


def test_the_journal_is_an_ordinary_database(tmp_path):
    write_recording(tmp_path / "healthy.npz", healthy(5))
    assert sensorml("run", configured(tmp_path)).returncode == 0
    with sqlite3.connect(tmp_path / "journal.db") as db:
        [(n, model)] = db.execute("SELECT count(*), min(model) FROM prediction")
    db.close()
    assert (n, model) == ((5 * 800 - 512) // 256 + 1, "m")


def test_a_second_ctrl_c_ends_the_service_at_once(tmp_path):
    with socket.socket() as silent:  # accepts connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        config = configured(
            tmp_path,
            extra=f"""
            [[sink]]
            driver = "influxdb"
            url = "http://127.0.0.1:{silent.getsockname()[1]}"
            api = "v1"
            database = "d"
            """,
            pace="real",
        )
        write_recording(tmp_path / "healthy.npz", healthy(60))
        process = start("run", config)
        wait_for_line(process, "unknown → normal")
        while not committed(tmp_path / "journal.db"):
            pass
        process.send_signal(signal.SIGINT)
        wait_for_line(process, "service box: stopped")  # the sink still tries to send
        code, _ = stop(process, signal.SIGINT)
    assert code == 130


def test_a_model_trained_on_a_recording_judges_it_normal(
    tmp_path,
):
    config = tmp_path / "box.toml"
    config.write_text(
        '[[sensor]]\nname = "motor"\ndriver = "mpu6050"\nbus = "sim"\nrate_hz = 1000\n'
    )
    out = tmp_path / "motor.npz"
    record = sensorml(
        "record", config, "--sensor", "motor", "--duration", "8", "--out", out
    )
    assert record.returncode == 0, record.stderr
    assert "0 missed" in record.stdout
    model = tmp_path / "model"
    train = sensorml("train", "--normal", out, "--out", model, "--window", "128")
    assert train.returncode == 0, train.stderr
    score = sensorml("score", "--model", model, out, "--json")
    assert score.returncode == 0, score.stderr
    summary = json.loads(score.stdout)
    assert summary["files"][0]["state"] == "normal"
    assert summary["windows"] > 100
    missing = sensorml(
        "record", config, "--sensor", "moter", "--duration", "1", "--out", out
    )
    assert missing.returncode == 2
    assert "did you mean motor?" in missing.stderr


def test_systemd_is_notified_of_the_first_result_and_of_a_running_service(
    tmp_path,
):
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(address))
        notify.settimeout(30)
        process = start(
            "run", "--store", tmp_path / "demo.db", NOTIFY_SOCKET=str(address)
        )
        ready = notify.recv(4096).decode()
        assert ready.splitlines()[0] == "READY=1"
        assert "STATUS=motor " in ready
        notifications = [notify.recv(4096).decode() for _ in range(6)]
        assert notifications.count("WATCHDOG=1") >= 2
        code, _ = stop(process)
        assert code == 0
        notify.setblocking(False)
        while notifications[-1] != "STOPPING=1":
            notifications.append(notify.recv(4096).decode())
