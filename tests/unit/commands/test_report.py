"""The report on a machine: packages and warnings."""

from dataclasses import replace
from pathlib import Path

import pytest

from sensorml.commands.probe.report import Software, system_warnings
from sensorml.hardware.facts import Facts


def test_throttling_of_a_raspberry_pi_is_one_warning(tmp_path: Path):
    throttled = replace(
        Facts.gather(tmp_path), throttled=("under-voltage now", "throttled now")
    )

    (warning,) = system_warnings(throttled, Software("3.11.2", {}))

    assert "under-voltage now, throttled now: check the supply" in warning


@pytest.mark.parametrize(
    ("software", "machine_name", "phrase"),
    [
        (
            Software("3.11.2", {"tflite-runtime": "2.14.0", "numpy": "2.1"}),
            "",
            "numpy<2",
        ),
        (Software("3.11.2", {}, wrong_pycoral=True), "", "not Google's"),
        (Software("3.13.1", {}), "armv7l", "32-bit Arm"),
    ],
)
def test_packages_that_do_not_work_together_are_a_warning(
    software: Software, machine_name: str, phrase: str
):
    (warning,) = software.warnings(machine_name)

    assert phrase in warning


@pytest.mark.parametrize(
    "software",
    [
        Software("3.11.2", {"tflite-runtime": "2.14.0", "numpy": "1.26.4"}),
        Software("3.13.1", {"ai-edge-litert": "2.3.0", "numpy": "2.1"}),
        Software("3.14.0rc1", {}),
    ],
)
def test_packages_that_work_together_are_no_warning(software: Software):
    assert list(software.warnings("aarch64")) == []


def install_pycoral(site: Path, module: str) -> None:
    """Write a package named pycoral with one module, and its metadata."""
    path = site / "pycoral" / module
    path.parent.mkdir(parents=True)
    path.touch()
    info = site / "pycoral-2.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: pycoral\nVersion: 2.0.0\n")


@pytest.mark.parametrize(
    ("module", "wrong"), [("utils/edgetpu.py", False), ("maps.py", True)]
)
def test_only_pypis_pycoral_is_the_wrong_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, wrong: bool
):
    install_pycoral(tmp_path, module)
    monkeypatch.syspath_prepend(tmp_path)

    assert Software.gather().wrong_pycoral is wrong
