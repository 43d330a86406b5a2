"""The kernel's own drivers on our chips, as a second reading of the data sheets.

Linux has drivers for the MPU-6050, MPU-6500 and MPU-9250 (drivers/iio/imu/inv_mpu6050)
and for the LM75 (drivers/hwmon/lm75.c). They must read the same values from the
simulated chips as our drivers, and the sensors `iio` and `hwmon` must get through
them what `mpu6050` and `lm75` read directly.
"""

import json
import time

import numpy as np
import pytest
from adapter import Adapter, plugged
from modules import bound, loaded

from sensorml import cli
from sensorml.drivers import hwmon, iio, lm75, mpu6050
from sensorml.errors import BusError, BusReason
from sensorml.sim import compass
from sensorml.sim.chips import lm75 as lm75_chip
from sensorml.sim.chips import mpu6050 as mpu6050_chip
from sensorml.sim.chips import mpu6500, mpu9250
from sensorml.sim.machine import Machine, MachineOptions

GRAVITY = (0.25, -0.5, 0.75)
G = 9.80665
STILL = Machine(MachineOptions(harmonics=(), noise_g=0.0, gravity=GRAVITY))
SMPLRT_DIV, ACCEL_CONFIG = 0x19, 0x1C
TOS = 0x03  # a register of the LM75
NEXT_SAMPLE_S = 0.05
"""More than a period, because the kernel's driver samples at 50 Hz."""

_MODULES = (
    "regmap-i2c",
    "kfifo_buf",
    "industrialio-triggered-buffer",
    "inv_sensors_timestamp",
    "i2c-mux",
    "inv-mpu6050",
    "inv-mpu6050-i2c",
    "lm75",
)


@pytest.fixture(scope="module")
def modules():
    # For this module only, because lm75 probes every adapter that is plugged in.
    with loaded(*_MODULES):
        yield


@pytest.fixture
def chips(modules):
    adapter = Adapter({0x68: mpu6050_chip.Chip(STILL), 0x48: lm75_chip.Chip()})
    with plugged(adapter):
        yield adapter.chips


@pytest.fixture
def imu(chips):
    """The MPU-6050, and its folder in sysfs."""
    with bound("mpu6050", 0x68) as device:
        (folder,) = device.glob("iio:device*")
        yield chips[0x68], folder


def number(file):
    return float(file.read_text())


def acceleration_g(folder):
    scale = number(folder / "in_accel_scale") / G
    return [number(folder / f"in_accel_{axis}_raw") * scale for axis in "xyz"]


def read(driver):
    """Return the first row that a driver reads."""
    driver.start()
    try:
        return driver.read().samples[0]
    finally:
        driver.stop()


def test_the_kernel_reads_gravity_from_our_mpu6050(imu):
    _, folder = imu
    assert acceleration_g(folder) == pytest.approx(GRAVITY, abs=0.001)


@pytest.mark.parametrize(
    ("name", "module"), [("mpu6500", mpu6500), ("mpu9250", mpu9250)]
)
def test_the_kernel_reads_gravity_from_the_later_chips(chips, name, module):
    chips[0x68] = module.Chip(STILL)
    with bound(name, 0x68) as device:
        (folder,) = device.glob("iio:device*")
        assert acceleration_g(folder) == pytest.approx(GRAVITY, abs=0.001)


def test_the_kernel_finds_the_compass_beside_our_mpu9250(chips):
    chips[0x68] = mpu9250.Chip(STILL)
    with bound("mpu9250", 0x68) as device:
        (folder,) = device.glob("iio:device*")
        for axis, field in zip("xyz", compass.FIELD, strict=True):
            assert number(folder / f"in_magn_{axis}_raw") == field
        # The kernel uses the scale of the first axis for all.
        gauss = number(folder / "in_magn_x_scale")
        fuse = compass.ADJUSTMENT[0]
        assert gauss == pytest.approx(0.0015 * (fuse + 128) / 256, abs=1e-6)


def test_our_mpu6050_takes_the_range_that_the_kernel_sets(imu):
    chip, folder = imu
    scales = (folder / "in_accel_scale_available").read_text().split()
    assert len(scales) == 4
    for code, scale in enumerate(scales):
        (folder / "in_accel_scale").write_text(scale)
        chip.write(bytes((ACCEL_CONFIG,)))
        assert chip.read(1)[0] == code << 3
        time.sleep(NEXT_SAMPLE_S)
        assert acceleration_g(folder) == pytest.approx(GRAVITY, rel=2e-3)


def test_our_mpu6050_samples_at_the_rate_that_the_kernel_sets(imu):
    chip, folder = imu
    for rate in (folder / "sampling_frequency_available").read_text().split():
        (folder / "sampling_frequency").write_text(rate)
        chip.write(bytes((SMPLRT_DIV,)))
        assert chip.read(1)[0] == 1000 // int(rate) - 1
        assert chip.converter.rate_hz == float(rate)


def test_iio_reads_through_the_kernel_what_mpu6050_reads_directly(chips):
    axes = ("accel_x", "accel_y", "accel_z")
    with bound("mpu6050", 0x68):
        options = iio.Options(device="mpu6050", inputs=axes, rate_hz=10)
        through_the_kernel = read(iio.Driver(options))
    ours = mpu6050.Driver(mpu6050.Options(bus=1, range_g=2, rate_hz=1000))
    ours.start()
    time.sleep(ours.period_s)
    directly = ours.read().samples[0]
    ours.stop()
    np.testing.assert_allclose(through_the_kernel, directly, atol=0.001)


def test_without_an_interrupt_line_the_kernels_mpu6050_has_no_buffer(imu):
    options = iio.Options(device="mpu6050", inputs=("accel_x",), buffered=True)
    with pytest.raises(BusError, match=r"no buffer.*interrupt line"):
        iio.Driver(options).start()


def test_hwmon_reads_through_the_kernel_what_lm75_reads_directly(chips):
    for celsius in (21.5, -25.0, 124.5):
        chips[0x48].celsius = celsius
        with bound("lm75", 0x48):
            (through_the_kernel,) = read(hwmon.Driver(hwmon.Options(chip="lm75")))
        (directly,) = read(lm75.Driver(lm75.Options(bus=1)))
        assert through_the_kernel == directly == celsius


def test_our_lm75_holds_the_limit_that_the_kernel_sets(chips):
    with bound("lm75", 0x48) as device:
        (limit,) = device.glob("hwmon/hwmon*/temp1_max")
        assert limit.read_text() == "80000\n"
        limit.write_text("-12500")
        assert chips[0x48].held[TOS] == bytes((0xF3, 0x80))  # -12.5 °C
        assert limit.read_text() == "-12500\n"


@pytest.mark.parametrize(("driver", "address"), [("mpu6050", 0x68), ("lm75", 0x48)])
def test_a_driver_cannot_start_on_an_address_that_the_kernel_holds(
    chips, driver, address
):
    module = {"mpu6050": mpu6050, "lm75": lm75}[driver]
    ours = module.Driver(module.Options(bus=1))
    with bound(driver, address), pytest.raises(BusError) as failure:
        ours.start()
    assert failure.value.reason is BusReason.HELD
    assert str(failure.value) == (
        f"{driver} at {address:#04x} on i2c-1: a kernel driver uses that address: "
        "remove its dtoverlay from config.txt, or unbind the driver"
    )
    ours.start()
    ours.stop()


def test_the_probe_shows_that_a_kernel_driver_holds_an_address(imu, capsys):
    cli.main(["probe", "--json"])
    buses = {bus["bus"]: bus for bus in json.loads(capsys.readouterr().out)["sensors"]}
    held = {"address": 0x68, "chip": "(held by a kernel driver)", "in_use": False}
    assert buses[1]["answers"] == [held]
