"""The table "To add …" of ARCHITECTURE.md, walked.

For each kind of part `tests/plug_points/` holds a folder with a small example, laid
out like the checkout. A copy of the checkout gets these files and nothing else, and
the command line runs with them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sensorml

CHECKOUT = Path(sensorml.__file__).parents[1]
EXAMPLES = CHECKOUT / "tests/plug_points"
PARTS = {
    "a polled sensor": "polled_sensor",
    "a FIFO sensor": "fifo_sensor",
    "a sensor on a new kind of bus": "new_bus",
    "a feature": "feature",
    "an alarm kind": "alarm_kind",
    "a sink": "sink",
    "a board": "board",
    "a delegate": "delegate",
    "a command": "command",
}
ROW = re.compile(r"^\| (an? .+?) \| ([\d +]+) \| (.+) \|$", re.MULTILINE)


class Copy:
    """A copy of the checkout with one example added."""

    def __init__(self, folder: Path, example: str) -> None:
        self.folder = folder
        for name in ("sensorml", "boards", "delegates", "models"):
            ignored = shutil.ignore_patterns("__pycache__", "_data")
            shutil.copytree(CHECKOUT / name, folder / name, ignore=ignored)
        for path in files(example):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            assert not target.exists()
            shutil.copy(EXAMPLES / example / path, target)
        for edit in edits(example):
            target = folder / edit["file"]
            text = target.read_text()
            assert text.count(edit["before"]) == 1
            target.write_text(text.replace(edit["before"], edit["after"]))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def run(self, *arguments: object) -> str:
        """Run a command of sensorml that succeeds; return its standard output."""
        return self._completed(("-m", "sensorml", *arguments), 0).stdout

    def check(self, config: Path, *, code: int) -> str:
        """Run `sensorml check`; return all that it prints."""
        done = self._completed(("-m", "sensorml", "check", config), code)
        return done.stdout + done.stderr

    def python(self, program: str) -> str:
        """Run a program; return its standard output."""
        return self._completed(("-c", program), 0).stdout

    def _completed(
        self, arguments: tuple[object, ...], code: int
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done


def files(example: str) -> list[Path]:
    """List the files of an example, relative to the checkout."""
    folder = EXAMPLES / example
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != "edits.toml"
        and "__pycache__" not in path.parts
    )


def edits(example: str) -> list[dict[str, str]]:
    path = EXAMPLES / example / "edits.toml"
    return tomllib.loads(path.read_text())["edit"] if path.exists() else []


@pytest.fixture
def add(tmp_path: Path) -> Callable[[str], Copy]:
    """Return a function that makes a copy with one example."""
    return lambda example: Copy(tmp_path, example)


def test_the_table_names_each_kind_with_the_files_that_it_costs() -> None:
    rows = {
        kind: (cost, places)
        for kind, cost, places in ROW.findall(
            (CHECKOUT / "ARCHITECTURE.md").read_text()
        )
    }
    assert set(rows) == set(PARTS)
    for kind, (cost, places) in rows.items():
        example = PARTS[kind]
        touched = [*files(example), *(Path(edit["file"]) for edit in edits(example))]
        assert len(touched) == sum(map(int, cost.split("+")))
        for path in touched:
            assert f"`{path.parent}/`" in places or f"`{path}`" in places


SENSOR = """
[[sensor]]
name = "s"
"""


def recorded(copy: Copy, config: Path, seconds: float) -> np.ndarray:
    """Record the sensor "s" and return its samples."""
    copy.run("check", config)
    out = copy.folder / "out.npz"
    copy.run("record", config, "--sensor", "s", "--duration", seconds, "--out", out)
    recording = np.load(out)
    return recording["samples"] * recording.get("scale", 1)


def exported(copy: Copy, store: Path, kind: str) -> list[dict[str, object]]:
    arguments = ("export", "--store", store, "--kind", kind, "--format", "jsonl")
    return [json.loads(line) for line in copy.run(*arguments).splitlines()]


def test_a_polled_sensor_is_recorded(add: Callable[[str], Copy]) -> None:
    copy = add("polled_sensor")
    config = copy.write("c.toml", SENSOR + 'driver = "loadavg"\nrate_hz = 20\n')
    samples = recorded(copy, config, 1)
    assert len(samples) > 5
    assert (samples >= 0).all()


def test_a_fifo_sensor_is_simulated_recorded_and_scanned_for(
    add: Callable[[str], Copy],
) -> None:
    copy = add("fifo_sensor")
    config = copy.write("c.toml", SENSOR + 'driver = "tri16"\nbus = "sim"\n')
    samples = recorded(copy, config, 1)
    assert len(samples) > 200
    assert abs(samples.mean(axis=0) - [0, 0, 1]).max() < 0.1  # gravity along z
    text = "from sensorml.commands.probe import i2c_scan; print(i2c_scan.addresses())"
    assert "TRI16" in copy.python(text)


def test_a_sensor_on_a_new_bus_is_recorded_and_checked(
    add: Callable[[str], Copy],
) -> None:
    copy = add("new_bus")
    gateway = copy.write("gateway.txt", "7 0.5\n8 2.5\n")
    keys = f'driver = "flow_meter"\ngateway = "{gateway}"\nrate_hz = 20\nregister = '
    config = copy.write("c.toml", f"{SENSOR}{keys}8\n")
    assert (recorded(copy, config, 1) == 2.5).all()
    twice = SENSOR.replace('"s"', '"other"')
    both = copy.write("both.toml", f"{SENSOR}{keys}8\n{twice}{keys}8\n")
    assert "register 8" in copy.check(both, code=2)
    gateway.unlink()
    assert "start the gateway" in copy.check(config, code=0)


def test_a_sink_gets_the_rows_of_the_demo(add: Callable[[str], Copy]) -> None:
    copy = add("sink")
    demo = (copy.folder / "sensorml/demo.toml").read_text()
    out = copy.folder / "rows.txt"
    sink = f'\n[[sink]]\ndriver = "lines"\npath = "{out}"\n'
    config = copy.write("c.toml", demo + sink)
    store = copy.folder / "j.db"
    copy.run("run", config, "--duration", 4, "--store", store, "--no-web")
    kinds = {line.split()[1] for line in out.read_text().splitlines()}
    assert {"prediction", "event"} <= kinds


def test_a_board_is_identified(add: Callable[[str], Copy]) -> None:
    copy = add("board")
    root = copy.folder / "root"
    shutil.copytree(CHECKOUT / "tests/rootfs/rock-5b", root)
    (root / "proc/device-tree/compatible").write_bytes(b"example,board\0")
    report = json.loads(copy.run("probe", "--json", "--root", root))
    assert report["board"] == "example-board"


def test_a_delegate_is_reported_with_its_reason(add: Callable[[str], Copy]) -> None:
    copy = add("delegate")
    root = copy.folder / "root"
    shutil.copytree(CHECKOUT / "tests/rootfs/rock-5b", root)
    text = copy.run("probe", "--root", root)
    assert "example-npu" in text
    (root / "dev/accel/accel7").touch()
    assert "install the package example-npu" in copy.run("probe", "--root", root)


def test_a_command_runs_and_is_listed(add: Callable[[str], Copy]) -> None:
    copy = add("command")
    assert copy.run("uptime", "--whole").strip().isdecimal()
    assert "Print for how many seconds" in copy.run("--help")


def test_an_alarm_kind_changes_the_state(add: Callable[[str], Copy]) -> None:
    copy = add("alarm_kind")
    np.savez(
        copy.folder / "r.npz",
        samples=np.array([[1.0], [2.0], [9.0], [9.0]], np.float32),
        rate_hz=4.0,
        channels=["value"],
    )
    config = copy.write(
        "c.toml",
        SENSOR
        + 'driver = "file"\npath = "r.npz"\n'
        + '[[alarm]]\nname = "range"\nsensor = "s"\n[alarm.when]\noutside = [0, 5]\n',
    )
    store = copy.folder / "j.db"
    copy.run("run", config, "--store", store, "--no-web")
    states = [row["state"] for row in exported(copy, store, "alarms")]
    assert "alarm" in states


def test_a_feature_is_trained_with_and_scored(add: Callable[[str], Copy]) -> None:
    copy = add("feature")
    random = np.random.default_rng(0)
    t_s = np.arange(20_000) / 400
    tone = np.sin(2 * np.pi * 13 * t_s) + random.normal(0, 0.1, len(t_s))
    faster = np.sin(2 * np.pi * 60 * t_s) + random.normal(0, 0.1, len(t_s))
    for name, values in (("normal", tone), ("fault", faster)):
        samples = values[:, None].astype(np.float32)
        path = copy.folder / f"{name}.npz"
        np.savez(path, samples=samples, rate_hz=400.0, channels=["x"], unit="g")
    model = copy.folder / "model"
    arguments = ("--window", 400, "--hop", 200, "--features", "zero_crossings")
    copy.run(
        "train", "--normal", copy.folder / "normal.npz", "--out", model, *arguments
    )
    assert 'kind = "zero_crossings"' in (model / "model.toml").read_text()
    score = ("score", "--model", model, "--json")
    fault = json.loads(copy.run(*score, copy.folder / "fault.npz"))["files"][0]
    normal = json.loads(copy.run(*score, copy.folder / "normal.npz"))["files"][0]
    assert fault["anomalies"] == fault["windows"]
    assert normal["anomalies"] < normal["windows"] / 10
