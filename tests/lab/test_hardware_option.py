"""`pytest --hardware FILE`, the command for real chips, on the bus of the kernel."""

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

pytestmark = pytest.mark.timeout(0)  # seconds of the guest's are not ours

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
    """Run the command; returns its exit status and what it says."""
    file = folder / "lab.toml"
    file.write_text(WIRING)
    command = ["pytest", "-p", "no:cacheprovider", f"--hardware={file}", *more]
    done = subprocess.run(
        [sys.executable, "-m", *command, TESTS / "contracts/test_wired.py"],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def still(**machine):
    return Machine(MachineOptions(harmonics=(), **machine))


@pytest.fixture
def chips():
    """Two accelerometers at rest and a thermometer."""
    adapter = Adapter(
        {
            0x53: adxl345.Chip(still(), rate_error=0.02),
            0x68: mpu6050.Chip(still(), rate_error=-0.03),
            0x76: bme280.Chip(still()),
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
    """Let one line follow another."""
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


def failures(said):
    """Return which tests failed on which sensor or loop."""
    found = [line for line in said.splitlines() if line.startswith("FAILED")]
    return {
        tuple(line.split(" - ")[0].split("::test_")[1].split("[")) for line in found
    }


def test_all_holds_on_a_board_that_is_well(header, chips, tmp_path):
    with wire(header, 17, 27):
        status, said = hardware(tmp_path)
    assert status == 0, said
    assert "22 passed" in said


def test_what_is_wrong_on_a_board_is_found(header, chips, tmp_path):
    chips[0x53].self_test_fails = True
    chips[0x68] = mpu6050.Chip(still(gravity=(0, 0.5, 0.5)))
    chips[0x76].absent = True
    status, said = hardware(
        tmp_path, "-k", "self_test or gravity or should_be or alarm"
    )
    assert status == 1, said
    on_0 = {test for test, where in failures(said) if where == "sensor 0]"}
    assert on_0 == {"it_passes_its_self_test"}
    on_the_lid = {test for test, where in failures(said) if where == "lid]"}
    assert on_the_lid == {"at_rest_it_feels_gravity_and_is_not_frozen"}
    assert "bme280 at 0x76 on i2c-1: nobody answers there" in said
    wires = [test for test, where in failures(said) if where.startswith("loop0")]
    assert len(wires) == 4
