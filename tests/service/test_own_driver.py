"""The package of docs/own-driver.md: built, installed, tested and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import sensorml

PAGE = Path(__file__).parents[2] / "docs/own-driver.md"
FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python(*arguments: object, cwd: Path, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page, and the reading of the oven."""
    for name, text in FILE.findall(PAGE.read_text()):
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    [reading] = re.findall(r"echo (\d+) > oven.txt", PAGE.read_text())
    (tmp_path / "project/oven.txt").write_text(reading)
    return tmp_path / "project"


@pytest.fixture
def installed(project: Path, tmp_path: Path) -> Path:
    """The folder that the package is installed into."""
    target = tmp_path / "installed"
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    pip = ("-m", "pip", "install", *offline, "--disable-pip-version-check")
    python(*pip, "--target", target, ".", cwd=project, path=target)
    return target


def test_the_driver_of_the_page_is_checked_and_raises_its_alarm(
    project: Path, installed: Path
) -> None:
    python("-m", "pytest", "-q", "tests", cwd=project, path=installed)
    config, store = project / "oven.toml", project / "oven.db"
    environ = {"PYTHONPATH": str(installed)}
    checked = sensorml("check", config, **environ)
    assert checked.returncode == 0, checked.stdout
    assert "good: 1 sensor" in checked.stderr
    duration = ("--duration", "3", "--store", store, "--no-web")
    run = sensorml("run", config, *duration, **environ)
    assert run.returncode == 0, run.stderr
    exported = sensorml("export", "--store", store, "--kind", "alarms", **environ)
    assert ",oven-hot," in exported.stdout
    assert ",alarm," in exported.stdout


def test_without_the_package_its_driver_is_unknown(project: Path) -> None:
    checked = sensorml("check", project / "oven.toml")
    assert checked.returncode == 2
    assert "there is no sensor driver 'acme_oven'" in checked.stdout
