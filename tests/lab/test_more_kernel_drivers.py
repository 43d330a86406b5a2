"""The kernel's own drivers on more of our chips, where the kernel has them.

kernel.fragment lists their modules; a kernel built before that has none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from adapter import Adapter, Chip, plugged
from modules import bound, is_built, loaded

from sensorml.drivers import hwmon, iio
from sensorml.sim.chips import (
    ads1115,
    adxl355,
    bme280,
    ina219,
    ina226,
    lis3dh,
    mcp9600,
    vcnl4040,
    vl53l0x,
)
from sensorml.sim.machine import Machine, MachineOptions

GRAVITY = (0.25, -0.5, 0.75)
STILL = Machine(MachineOptions(harmonics=(), noise_g=0.0, gravity=GRAVITY))
AXES = ("accel_x", "accel_y", "accel_z")

FIRST_SAMPLE_S = 0.5

_BUFFERS = ("kfifo_buf", "industrialio-triggered-buffer")


class Case(NamedTuple):
    """A chip, the kernel's driver for it, and the values it must return."""

    name: str
    chip: Callable[[], Chip]
    address: int
    modules: tuple[str, ...]
    expected: dict[str, float]
    """The values in our units, by the name of the input."""
    within: float = 1e-3
    device_name: str = ""
    """Its name among the kernel's devices, if it is another one."""


CASES = [
    Case(
        "bme280",
        bme280.Chip,
        0x76,
        ("regmap-i2c", *_BUFFERS, "bmp280", "bmp280-i2c"),
        {"temp": 25.08, "pressure": 100_653.0, "humidityrelative": 58.39},
    ),
    Case(
        "ads1115",
        ads1115.Chip,
        0x48,
        ("regmap-i2c", *_BUFFERS, "ti-ads1015"),
        {"voltage0": 0.5, "voltage1": 1.0, "voltage2": 1.5, "voltage3": 2.0},
        device_name="ads1015",
    ),
    Case(
        "vcnl4040",
        vcnl4040.Chip,
        0x60,
        (*_BUFFERS, "vcnl4000"),
        {"illuminance": 350.0, "proximity": 1200 / 16},  # the kernel's scale
        device_name="vcnl4000",
    ),
    Case("vl53l0x", vl53l0x.Chip, 0x29, ("vl53l0x-i2c",), {"distance": 0.345}),
    Case(
        "mcp9600",
        mcp9600.Chip,
        0x60,
        ("mcp9600",),
        {"temp": 180.0, "temp_ambient": 24.0},
    ),
    Case(
        "adxl355",
        partial(adxl355.Chip, STILL),
        0x1D,
        ("regmap-i2c", *_BUFFERS, "adxl355_core", "adxl355_i2c"),
        dict(zip(AXES, GRAVITY, strict=True)),
        2e-3,  # the kernel uses 1/256000 g for 3.9 µg
    ),
    Case(
        "lis3dh",
        partial(lis3dh.Chip, STILL),
        0x18,
        (
            *("regmap-i2c", *_BUFFERS),
            *("st_sensors", "st_sensors_i2c", "st_accel", "st_accel_i2c"),
        ),
        dict(zip(AXES, GRAVITY, strict=True)),
        2e-2,
    ),
    Case(
        "ina219",
        ina219.Chip,
        0x40,
        ("regmap-i2c", "ina2xx"),
        {"in0": 0.05, "in1": 12.0, "curr1": 5.0, "power1": 60.0},
        2e-2,
    ),
    Case(
        "ina226",
        ina226.Chip,
        0x40,
        ("regmap-i2c", "ina2xx"),
        {"in0": 0.05, "in1": 12.0, "curr1": 5.0, "power1": 60.0},
        2e-2,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_kernel_reads_from_our_chip_what_the_chip_measures(case):
    if missing := [module for module in case.modules if not is_built(module)]:
        pytest.skip(f"{', '.join(missing)}: not built here: kernel.sh builds them")
    with (
        loaded(*case.modules),
        plugged(Adapter({case.address: case.chip()})),
        bound(case.name, case.address),
    ):
        time.sleep(FIRST_SAMPLE_S)
        np.testing.assert_allclose(
            values(case.device_name or case.name, tuple(case.expected)),
            list(case.expected.values()),
            rtol=case.within,
        )


def values(name, inputs):
    """Return what the sensors `iio` and `hwmon` read from the kernel."""
    if name.startswith("ina"):
        driver = hwmon.Driver(hwmon.Options(chip=name, inputs=inputs))
    else:
        driver = iio.Driver(iio.Options(device=name, inputs=inputs))
    driver.start()
    try:
        return driver.read().samples[0]
    finally:
        driver.stop()
