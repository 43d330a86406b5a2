"""Reports of `sensorml probe` and of drivers on a bus of the kernel, with faults."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from adapter import Adapter, plugged, wait_for
from modules import loaded
from users import NOBODY, grant_access

from sensorml import cli, plugins
from sensorml.drivers import adxl345
from sensorml.errors import BusError, BusReason
from sensorml.sim.chips import adxl345 as adxl345_chip
from sensorml.sim.chips import (
    adxl355,
    bme280,
    icm20948,
    kx134,
    lis3dh,
    mpu6050,
    mpu6500,
    mpu9250,
)
from sensorml.sim.machine import Machine, MachineOptions

STILL = Machine(MachineOptions(harmonics=()))
NODE = Path("/dev/i2c-1")
ABSENT = "no chip answers: check the wiring, the power and the address"
FIRST_ADDRESSES = {
    0x18: (lis3dh, "LIS3DH or LIS2DH12"),
    0x1D: (adxl355, "ADXL355 or ADXL357"),
    0x1E: (kx134, "KX134"),
    0x53: (adxl345_chip, "ADXL345 or ADXL343"),
    0x68: (mpu6050, "MPU6050"),
    0x69: (icm20948, "ICM-20948"),
    0x76: (bme280, "BME280"),
}
SECOND_ADDRESSES = {
    0x19: (lis3dh, "LIS3DH or LIS2DH12"),
    0x1D: (adxl345_chip, "ADXL345 or ADXL343"),
    0x1F: (kx134, "KX134"),
    0x53: (adxl355, "ADXL355 or ADXL357"),
    0x68: (mpu6500, "MPU6500"),
    0x69: (mpu9250, "MPU9250"),
    0x77: (bme280, "BME280"),
}


@pytest.fixture
def adapter():
    adapter = Adapter({0x53: adxl345_chip.Chip(STILL)})
    with plugged(adapter):
        yield adapter


@pytest.fixture
def driver():
    driver = adxl345.Driver(adxl345.Options(bus=1))
    yield driver
    driver.stop()


def probe(capsys, *arguments):
    """Return the report about each bus, and about self-tests."""
    capsys.readouterr()
    cli.main(["probe", "--json", *arguments])
    document = json.loads(capsys.readouterr().out)
    return {bus["bus"]: bus for bus in document["sensors"]}, document["self_tests"]


def error_of(name, **options):
    """Return the error of a driver that does not start, and its options."""
    module = plugins.driver(name)
    options = module.Options(**options)
    driver = module.Driver(options)
    with pytest.raises(BusError) as failure:
        driver.start()
    driver.stop()
    return failure.value, options


@pytest.mark.parametrize("chips", [FIRST_ADDRESSES, SECOND_ADDRESSES])
def test_the_probe_finds_every_chip_at_both_of_its_addresses(adapter, chips, capsys):
    adapter.chips = {at: module.Chip(STILL) for at, (module, _) in chips.items()}
    buses, _ = probe(capsys)
    answers = {answer["address"]: answer["chip"] for answer in buses[1]["answers"]}
    assert answers == {address: name for address, (_, name) in chips.items()}
    assert buses[0]["answers"] == []


def test_the_probe_takes_no_sample_from_a_running_sensor(adapter, driver, capsys):
    driver.start()
    missed = []
    for number in range(60):
        time.sleep(driver.period_s)
        if number % 20 == 10:
            probe(capsys)
        if (block := driver.read()) is not None:
            missed.append(block.missed)
    assert len(missed) > 50
    assert not any(missed)


def test_the_probe_runs_the_self_test_of_every_accelerometer(adapter, capsys):
    chips = {at: module.Chip(STILL) for at, (module, _) in FIRST_ADDRESSES.items()}
    chips[0x1E].self_test_fails = True
    adapter.chips = chips
    _, tests = probe(capsys, "--self-test")
    verdicts = {test["address"]: test["result"]["verdict"] for test in tests}
    assert verdicts.pop(0x1E) == "failed"
    assert verdicts == dict.fromkeys([0x18, 0x1D, 0x53, 0x68, 0x69], "passed")


def test_a_clone_is_shown_with_its_identity_register(adapter, capsys):
    adapter.chips = {0x53: adxl345_chip.Chip(STILL, identity=0x42)}
    (answer,) = probe(capsys)[0][1]["answers"]
    assert "register 0x00 is 0x42" in answer["chip"]


@pytest.mark.parametrize("name", ["adxl345", "bme280", "lm75"])
def test_the_error_of_an_empty_address_names_the_checks(adapter, name):
    adapter.chips = {}
    error, options = error_of(name, bus=1)
    assert error.reason is BusReason.NOBODY
    assert str(error) == f"{name} at {options.address:#04x} on i2c-1: {ABSENT}"


def test_a_bus_that_hangs_is_shown_with_the_cure(adapter, capsys):
    adapter.stuck = True
    (answer,) = probe(capsys)[0][1]["answers"]
    assert "power-cycle what is on the bus" in answer["chip"]
    adapter.stuck = False
    assert probe(capsys)[0][1]["answers"][0]["chip"] == "ADXL345 or ADXL343"


def test_a_missing_bus_is_an_error_with_the_cure(adapter):
    error, _ = error_of("adxl345", bus=7)
    assert error.reason is BusReason.NO_ADAPTER
    assert str(error) == (
        "adxl345 at 0x53 on i2c-7: there is no such bus: enable I2C (raspi-config), "
        "plug its adapter in, or correct bus"
    )


def test_a_sensor_starts_again_after_its_adapter_was_unplugged(adapter, driver, capsys):
    driver.start()
    time.sleep(driver.period_s)
    assert driver.read() is not None
    adapter.unplug()
    with pytest.raises(BusError) as failure:
        driver.read()
    assert failure.value.reason is BusReason.NO_ADAPTER
    assert str(failure.value) == (
        "adxl345 at 0x53 on i2c-1: the bus has disappeared: plug its adapter in "
        "again, the sensor then restarts"
    )
    assert 1 not in probe(capsys)[0]
    with pytest.raises(BusError, match="there is no such bus"):
        driver.start()
    adapter.plug()
    wait_for(NODE.exists)
    driver.start()
    time.sleep(driver.period_s)
    assert driver.read() is not None


def test_an_smbus_only_adapter_is_refused():
    with loaded("i2c-stub chip_addr=0x53"):
        wait_for(Path("/dev/i2c-0").exists)
        error, _ = error_of("adxl345", bus=0)
    assert error.reason is BusReason.UNSUPPORTED
    assert str(error) == (
        "/dev/i2c-0: this adapter supports only SMBus, which has no long reads: "
        "connect the sensor to another adapter"
    )


@pytest.mark.parametrize(
    ("group", "cure"),
    [
        (0, ", only root may use it: install a udev rule that gives it to a group"),
        (1, ": add the user to the group daemon that owns it"),
    ],
    ids=["root", "group"],
)
def test_the_error_for_a_user_without_access_says_how_to_get_it(
    adapter, tmp_path, group, cure
):
    grant_access(tmp_path)
    NODE.chmod(0o660)
    os.chown(NODE, 0, group)
    start = (
        "from sensorml.drivers import adxl345\n"
        "adxl345.Driver(adxl345.Options(bus=1)).start()"
    )
    error = as_nobody("-c", start).stderr.splitlines()[-1]
    assert f"adxl345 at 0x53 on i2c-1: access to {NODE} denied{cure}" in error
    report = as_nobody("-m", "sensorml", "probe", "--json").stdout
    buses = {bus["bus"]: bus for bus in json.loads(report)["sensors"]}
    assert buses[1]["why_not"].startswith(f"access to {NODE} denied{cure}")


def as_nobody(*command):
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
