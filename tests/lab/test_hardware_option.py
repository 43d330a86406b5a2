"""The option `pytest --hardware FILE` for real chips, on a bus of the kernel."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from adapter import Adapter, plugged
from header import Header

from sensorml.sim.chips import adxl345, bme280, mpu6050
from sensorml.sim.machine import Machine, MachineOptions

pytestmark = pytest.mark.timeout(0)  # it would measure the guest's virtual time

TESTS = Path(__file__).parents[1]
WIRING = """
[[sensor]]
driver = "adxl345"
rate_hz = 400
[[sensor]]
name = "lid"
driver = "mpu6050"
rate_hz = 500
[[sensor]]
driver = "bme280"
rate_hz = 5.0
[[loop]]
output = 17
input = "BOARD13"
"""


def hardware(folder, *more):
    """Run the command; return its exit status and its output."""
    file = folder / "lab.toml"
    file.write_text(WIRING)
    command = ["pytest", "-p", "no:cacheprovider", f"--hardware={file}", *more]
    completed = subprocess.run(
        [sys.executable, "-m", *command, TESTS / "contracts/test_wired.py"],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return completed.returncode, completed.stdout + completed.stderr


def at_rest(**machine):
    return Machine(MachineOptions(harmonics=(), **machine))


@pytest.fixture
def chips():
    """Two accelerometers at rest and a thermometer."""
    adapter = Adapter(
        {
            0x53: adxl345.Chip(at_rest(), rate_error=0.02),
            0x68: mpu6050.Chip(at_rest(), rate_error=-0.03),
            0x76: bme280.Chip(at_rest()),
        }
    )
    adapter.speed_hz = 400_000
    with plugged(adapter):
        yield adapter.chips


@pytest.fixture
def header():
    header = Header()
    yield header
    header.close()


@contextmanager
def wire(header, output, end):
    """Connect two lines, so that the second follows the first."""
    cut = threading.Event()

    def follow():
        last = None
        while not cut.wait(0.001):
            if (high := header.level(output)) is not last:
                header.drive(end, high=high)
                last = high

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        cut.set()
        thread.join()


def failures(output):
    """Return the failed tests, each with its sensor or loop."""
    failed = [line for line in output.splitlines() if line.startswith("FAILED")]
    return {
        tuple(line.split(" - ")[0].split("::test_")[1].split("[")) for line in failed
    }


def test_every_contract_holds_on_working_hardware(header, chips, tmp_path):
    with wire(header, 17, 27):
        status, output = hardware(tmp_path)
    assert status == 0, output
    assert "22 passed" in output


def test_faults_of_the_hardware_are_found(header, chips, tmp_path):
    chips[0x53].self_test_fails = True
    chips[0x68] = mpu6050.Chip(at_rest(gravity=(0, 0.5, 0.5)))
    chips[0x76].absent = True
    status, output = hardware(
        tmp_path, "-k", "self_test or gravity or identity or alarm"
    )
    assert status == 1, output
    on_first = {test for test, where in failures(output) if where == "sensor 0]"}
    assert on_first == {"the_chip_passes_its_self_test"}
    on_lid = {test for test, where in failures(output) if where == "lid]"}
    assert on_lid == {"a_chip_at_rest_measures_gravity_and_is_not_frozen"}
    assert "bme280 at 0x76 on i2c-1: no chip answers" in output
    wires = [test for test, where in failures(output) if where.startswith("loop0")]
    assert len(wires) == 4
