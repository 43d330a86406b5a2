"""Drivers and sinks are found by the names of their files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sensorml
from sensorml.config import plugins

PACKAGE = Path(sensorml.__file__).parent


@pytest.mark.parametrize("kind", ["drivers", "sinks"])
def test_what_can_be_written_are_the_files_of_the_folder(kind) -> None:
    files = {f.stem for f in (PACKAGE / kind).glob("*.py")} - {"__init__"}
    assert set(plugins.names(kind)) == files
    assert list(plugins.names(kind)) == sorted(plugins.names(kind))


def test_a_name_leads_to_its_module() -> None:
    assert plugins.driver("sim").__name__ == "sensorml.drivers.sim"
    assert plugins.sink("influxdb").__name__ == "sensorml.sinks.influxdb"


def test_naming_them_imports_none_of_them() -> None:
    program = (
        "import sys; from sensorml.config import plugins; "
        "plugins.names('drivers'), plugins.names('sinks'); "
        "print([m for m in sys.modules if m.startswith(('sensorml.drivers.', "
        "'sensorml.sinks.', 'influxdb', 'gpiozero', 'smbus2'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
