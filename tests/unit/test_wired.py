"""`pytest --hardware`, and the file that it reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import wired

from sensorml.errors import ConfigError

EXAMPLE = Path(wired.__file__).with_name("hardware.example.toml")


def test_the_example_names_what_it_says():
    wiring = wired.read(EXAMPLE)
    assert [each.driver for each in wiring.sensors] == ["adxl345", "adxl355", "bme280"]
    assert [each.name for each in wiring.sensors] == [
        "sensor 0",
        "on the lid",
        "sensor 2",
    ]
    assert wiring.sensors[1].options.spi.bus == "spi0.0"
    assert wiring.loops == [wired.Loop(output=17, input=27)]


def test_every_problem_of_a_file_is_told_at_once(tmp_path):
    file = tmp_path / "wiring.toml"
    file.write_text(
        """
[[sensor]]
driver = "adxl354"
[[sensor]]
driver = "hwmon"
[[sensor]]
driver = "lis3dh"
rate_hz = 801
[[loop]]
output = 17
[[loop]]
output = "BOARD1"
input = "GPIO99"
[[loop]]
output = 17
input = "BOARD11"
[[sensr]]
"""
    )
    with pytest.raises(ConfigError) as failure:
        wired.read(file)
    keys = [problem.key for problem in failure.value.problems]
    assert keys == [
        "sensor[0].driver",
        "sensor[1].driver",
        "sensor[2].rate_hz",
        "loop[0].input",
        "loop[1].output",
        "loop[1].input",
        "loop[2]",
        "sensr",
    ]


def said(*arguments):
    """Run pytest; returns its exit status and what it says."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command,
        cwd=EXAMPLE.parents[1],
        env=os.environ | {"GPIOZERO_PIN_FACTORY": "mock"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_option_without_a_file_names_the_example():
    status, text = said("--hardware")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "tests/hardware.example.toml" in text


def test_no_wire_is_proven_on_lines_that_are_simulated(tmp_path):
    file = tmp_path / "wiring.toml"
    file.write_text("[[loop]]\noutput = 17\ninput = 27\n")
    status, text = said(f"--hardware={file}", "tests/contracts/test_wired.py")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "lines are only simulated" in text


def test_an_ear_knows_what_a_chip_holds():
    registers = {0x2D: b"\x08", 0x31: b"\x00"}

    class Chip:
        def read(self, register, length):
            return registers[register]

        def write(self, register, data):
            """Hold it, but for 0x31, which cannot be written."""
            if register != 0x31:
                registers[register] = data

    ear = wired.Ear(Chip())
    ear.write(0x2D, b"\x00")
    ear.write(0x31, b"\x0b")
    for register in (0x2D, 0x31):
        ear.read(register, 1)
    assert ear.written == {0x2D: b"\x00", 0x31: b"\x0b"}
    assert ear.held == {0x2D: b"\x00"}
