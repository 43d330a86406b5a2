"""A chip with a kernel driver, read over the network from Debian's iiod."""

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


class AtRest:
    """A machine at rest, with a sensor that is mounted at an angle."""

    def acceleration(self, at_s):
        return np.tile(G, (len(at_s), 1))


@pytest.fixture
def device():
    """The chip with its driver in the kernel."""
    with loaded(*MODULES), plugged(Adapter({0x68: mpu6050.Chip(AtRest())})):
        bus = Path("/sys/bus/i2c/devices/i2c-1")
        (bus / "new_device").write_text("mpu6050 0x68\n")
        wait_for(lambda: list(Path("/sys/bus/iio/devices").glob("iio:device*")))
        yield
        (bus / "delete_device").write_text("0x68\n")


@pytest.fixture
def serve(device):
    """A function that starts or stops iiod."""
    program = shutil.which("iiod", path="/usr/sbin:/usr/bin")
    if program is None or find_spec("iio") is None:
        assert os.environ.get("SENSORML_CI") != "1", "CI needs iiod and pylibiio"
        pytest.skip("iiod (a Debian package) or pylibiio is not installed")
    processes = []

    def switch(*, on):
        while processes:
            processes[0].kill()
            processes.pop().wait()
        if on:
            processes.append(subprocess.Popen([program], stderr=subprocess.DEVNULL))

    yield switch
    switch(on=False)


def started_driver(**options):
    driver = Driver(Options(device="mpu6050", inputs=INPUTS, **options))
    wait_for(lambda: starts(driver))
    return driver


def starts(driver):
    try:
        driver.start()
    except BusError:
        return False
    return True


def read(driver):
    time.sleep(0.1)
    return driver.read().samples[0].tolist()


def test_iiod_and_sysfs_give_the_same_values(serve):
    local = started_driver()
    serve(on=True)
    remote = started_driver(uri=URI)
    assert read(remote) == read(local) == pytest.approx(G, rel=0.03)
    remote.stop()


def test_reads_fail_while_iiod_is_stopped(serve):
    serve(on=True)
    driver = started_driver(uri=URI)
    serve(on=False)
    with pytest.raises(BusError, match="check the network, iiod, and the sensor"):
        driver.read()
    with pytest.raises(BusError, match=f"{URI}: no connection .*refused"):
        driver.start()
    serve(on=True)
    wait_for(lambda: starts(driver))
    assert read(driver) == pytest.approx(G, rel=0.03)
    driver.stop()


def test_the_error_for_an_unknown_device_lists_those_of_iiod(serve):
    serve(on=True)
    started_driver(uri=URI).stop()
    with pytest.raises(BusError, match="no 'bmp280', but iio:device0 = mpu6050"):
        Driver(Options(uri=URI, device="bmp280")).start()
