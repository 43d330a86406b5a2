"""A chip with a kernel driver, asked over the network by libiio from Debian's iiod."""

import os
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from adapter import Adapter, plugged, wait_for
from modules import loaded

from sensorml.drivers.iio import Driver, Options
from sensorml.errors import BusError
from sensorml.sim.chips import mpu6050

URI = "ip:127.0.0.1"
G = (0.25, -0.5, 1.0)
MODULES = (
    "regmap-i2c",
    "i2c-mux",
    "kfifo_buf",
    "industrialio-triggered-buffer",
    "inv_sensors_timestamp",
    "inv-mpu6050",
    "inv-mpu6050-i2c",
)
INPUTS = ("accel_x", "accel_y", "accel_z")


class Still:
    """A machine that stands still, with the sensor on it askew."""

    def acceleration(self, at_s):
        return np.tile(G, (len(at_s), 1))


@pytest.fixture
def device():
    """The chip, and its driver in the kernel."""
    with loaded(*MODULES), plugged(Adapter({0x68: mpu6050.Chip(Still())})):
        bus = Path("/sys/bus/i2c/devices/i2c-1")
        (bus / "new_device").write_text("mpu6050 0x68\n")
        wait_for(lambda: list(Path("/sys/bus/iio/devices").glob("iio:device*")))
        yield
        (bus / "delete_device").write_text("0x68\n")


@pytest.fixture
def serving(device):
    """Start and stop iiod."""
    program = shutil.which("iiod", path="/usr/sbin:/usr/bin")
    if program is None or find_spec("iio") is None:
        assert os.environ.get("SENSORML_CI") != "1", "CI has to have iiod and pylibiio"
        pytest.skip("iiod (a package of Debian's) or pylibiio is not on this machine")
    running = []

    def serve(*, on):
        while running:
            running[0].kill()
            running.pop().wait()
        if on:
            running.append(subprocess.Popen([program], stderr=subprocess.DEVNULL))

    yield serve
    serve(on=False)


def started(**options):
    driver = Driver(Options(device="mpu6050", inputs=INPUTS, **options))
    wait_for(lambda: begun(driver))
    return driver


def begun(driver):
    try:
        driver.start()
    except BusError:
        return False
    return True


def read(driver):
    time.sleep(0.1)
    return driver.read().samples[0].tolist()


def test_what_iiod_serves_is_what_sysfs_says(serving):
    here = started()
    serving(on=True)
    there = started(uri=URI)
    assert read(there) == read(here) == pytest.approx(G, rel=0.03)
    there.stop()


def test_an_iiod_that_goes_away_is_an_error_until_it_is_back(serving):
    serving(on=True)
    driver = started(uri=URI)
    serving(on=False)
    with pytest.raises(BusError, match="check the network, iiod, and the sensor"):
        driver.read()
    with pytest.raises(BusError, match=f"{URI}: no connection .*refused"):
        driver.start()
    serving(on=True)
    wait_for(lambda: begun(driver))
    assert read(driver) == pytest.approx(G, rel=0.03)
    driver.stop()


def test_a_device_that_iiod_does_not_have_names_those_that_it_has(serving):
    serving(on=True)
    started(uri=URI).stop()
    with pytest.raises(BusError, match="no 'bmp280', but iio:device0 = mpu6050"):
        Driver(Options(uri=URI, device="bmp280")).start()
