"""The files in systemd/, checked with systemd's tools and against each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sensorml.service.real_time import PRIORITY

FOLDER = Path(__file__).parents[3] / "systemd"
UNIT = FOLDER / "sensorml.service"
SYSUSERS = FOLDER / "sensorml.sysusers.conf"
RULES = FOLDER / "60-sensorml.rules"


def settings(path: Path = UNIT) -> dict[str, list[str]]:
    """Return every setting of the unit with its values, in order."""
    values: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values.setdefault(name, []).append(value)
    return values


def created_groups() -> set[str]:
    lines = [line.split() for line in SYSUSERS.read_text().splitlines()]
    return {words[1] for words in lines if words and words[0] == "g"}


def rules() -> list[dict[str, str]]:
    """Return the keys and values of every udev rule."""
    lines = [line for line in RULES.read_text().splitlines() if line[0] != "#"]
    return [dict(re.findall(r'([\w{}]+)=?="([^"]*)"', line)) for line in lines]


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None and os.environ.get("SENSORML_CI") == "1":
        pytest.fail(f"{name} is missing on the CI machine")
    if path is None:
        pytest.skip(f"{name} is missing on this machine: install Debian's systemd")
    return path


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program in ExecStart that exists."""
    program = settings()["ExecStart"][0].split()[0]
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(program, shutil.which("true") or ""))
    return copy


def test_systemd_verifies_the_unit(unit: Path) -> None:
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    messages = [line for line in done.stderr.splitlines() if "sensorml" in line]
    assert (done.returncode, messages) == (0, [])


def test_the_service_is_sandboxed(unit: Path) -> None:
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=1", "--threshold=25", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_unit_allows_real_time_scheduling_and_locked_memory() -> None:
    values = settings()
    assert values["CPUWeight"] == ["10000"]
    assert int(values["LimitRTPRIO"][0]) == PRIORITY
    assert values["LimitMEMLOCK"] == ["infinity"]
    assert values.get("RestrictRealtime", ["no"]) == ["no"]


@pytest.mark.parametrize("call", ["sched_setscheduler", "mlockall", "setrlimit"])
def test_the_system_calls_of_real_time_scheduling_pass_the_filter(call: str) -> None:
    [group] = settings()["SystemCallFilter"]
    assert call in calls_of(group)


def calls_of(group: str) -> set[str]:
    """Return the system calls of a group of systemd's, and of those in it."""
    done = subprocess.run(
        [tool("systemd-analyze"), "syscall-filter", group],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.strip() for line in done.stdout.splitlines()[1:]} - {""}
    return names.union(*(calls_of(name) for name in names if name.startswith("@")))


def test_sysusers_creates_the_user_and_every_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(
        [tool("systemd-sysusers"), f"--root={tmp_path}", "-"],
        input=SYSUSERS.read_text(),
        text=True,
        check=True,
    )
    groups = (tmp_path / "etc/group").read_text().splitlines()
    assert {line.split(":")[0] for line in groups} == created_groups() | {"sensorml"}
    user = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (user[0], user[5]) == ("sensorml", "/var/lib/sensorml")


def test_the_groups_of_the_unit_and_the_rules_are_created() -> None:
    groups = set(settings()["SupplementaryGroups"][0].split())
    assert groups == created_groups()
    assert {rule["GROUP"] for rule in rules()} == created_groups()


def test_the_unit_is_restarted_without_a_limit() -> None:
    unit = settings()
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert UNIT.read_text().index("StartLimitIntervalSec") < UNIT.read_text().index(
        "[Service]"
    )


def test_lgpio_has_a_folder_that_it_can_write_to() -> None:
    unit = settings()
    runtime = f"%t/{unit['RuntimeDirectory'][0]}"
    assert unit["WorkingDirectory"] == [runtime]
    assert f"LG_WD={runtime}" in unit["Environment"][0].split()


def test_systemd_sets_the_lines_to_their_safe_level_after_the_service() -> None:
    unit = settings()
    [start], [stop] = unit["ExecStart"], unit["ExecStopPost"]
    assert stop == start.replace(" run ", " safe ")


def test_generated_code_may_run() -> None:
    assert "MemoryDenyWriteExecute" not in settings()


def test_the_usb_accelerator_has_a_group_before_and_after_its_firmware() -> None:
    ids = {(r.get("ATTR{idVendor}"), r.get("ATTR{idProduct}")) for r in rules()}
    assert {("1a6e", "089a"), ("18d1", "9302")} <= ids


@pytest.mark.parametrize(
    "subsystem", ["i2c-dev", "spidev", "gpio", "iio", "apex", "usb"]
)
def test_only_the_group_may_use_a_device(subsystem: str) -> None:
    modes = {rule["MODE"] for rule in rules() if rule["SUBSYSTEM"] == subsystem}
    assert modes == {"0660"}
