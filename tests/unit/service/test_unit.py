"""The files in systemd/, by systemd's own tools and against each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "systemd"
UNIT = FOLDER / "sensorml.service"
SYSUSERS = FOLDER / "sensorml.sysusers.conf"
RULES = FOLDER / "60-sensorml.rules"


def settings(path: Path = UNIT) -> dict[str, list[str]]:
    """Every setting of the unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def groups_made() -> set[str]:
    lines = [line.split() for line in SYSUSERS.read_text().splitlines()]
    return {words[1] for words in lines if words and words[0] == "g"}


def rules() -> list[dict[str, str]]:
    """Every udev rule as its keys and values."""
    lines = [line for line in RULES.read_text().splitlines() if line[0] != "#"]
    return [dict(re.findall(r'([\w{}]+)=?="([^"]*)"', line)) for line in lines]


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None and os.environ.get("SENSORML_CI") == "1":
        pytest.fail(f"{name} is missing on the machine that has to have it")
    if path is None:
        pytest.skip(f"{name} is not on this machine: it comes with Debian's systemd")
    return path


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it is once the program is installed: ExecStart exists."""
    program = settings()["ExecStart"][0].split()[0]
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(program, shutil.which("true") or ""))
    return copy


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    about_us = [line for line in done.stderr.splitlines() if "sensorml" in line]
    assert (done.returncode, about_us) == (0, [])


def test_the_service_is_locked_in(unit: Path) -> None:
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=1", "--threshold=25", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_sysusers_makes_the_user_and_every_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(
        [tool("systemd-sysusers"), f"--root={tmp_path}", "-"],
        input=SYSUSERS.read_text(),
        text=True,
        check=True,
    )
    made = (tmp_path / "etc/group").read_text().splitlines()
    assert {line.split(":")[0] for line in made} == groups_made() | {"sensorml"}
    user = (tmp_path / "etc/passwd").read_text().strip().split(":")
    assert (user[0], user[5]) == ("sensorml", "/var/lib/sensorml")


def test_the_groups_of_the_unit_and_the_rules_are_those_that_are_made() -> None:
    wanted = set(settings()["SupplementaryGroups"][0].split())
    assert wanted == groups_made()
    assert {rule["GROUP"] for rule in rules()} == groups_made()


def test_the_unit_never_gives_up() -> None:
    unit = settings()
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert UNIT.read_text().index("StartLimitIntervalSec") < UNIT.read_text().index(
        "[Service]"
    )


def test_lgpio_has_a_folder_it_may_write_to() -> None:
    unit = settings()
    runtime = f"%t/{unit['RuntimeDirectory'][0]}"
    assert unit["WorkingDirectory"] == [runtime]
    assert f"LG_WD={runtime}" in unit["Environment"][0].split()


def test_the_lines_of_a_service_that_ended_are_made_safe() -> None:
    unit = settings()
    [started], [ended] = unit["ExecStart"], unit["ExecStopPost"]
    assert ended == started.replace(" run ", " safe ")


def test_generated_code_may_run() -> None:
    assert "MemoryDenyWriteExecute" not in settings()


def test_both_faces_of_the_usb_accelerator_get_a_group() -> None:
    ids = {(r.get("ATTR{idVendor}"), r.get("ATTR{idProduct}")) for r in rules()}
    assert {("1a6e", "089a"), ("18d1", "9302")} <= ids


@pytest.mark.parametrize(
    "subsystem", ["i2c-dev", "spidev", "gpio", "iio", "apex", "usb"]
)
def test_only_the_group_may_use_a_device(subsystem: str) -> None:
    modes = {rule["MODE"] for rule in rules() if rule["SUBSYSTEM"] == subsystem}
    assert modes == {"0660"}
