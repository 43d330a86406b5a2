"""ADXL357 accelerometer: an ADXL355 with five times the range, on I2C or SPI.

Data sheet: Analog Devices ADXL356/ADXL357, Table 2 (scale: 51,200 counts per g at
±10.24 g) and "Register Map", which is that of the ADXL355. Its identity is that of an
ADXL355, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from sensorml.drivers import adxl355
from sensorml.drivers.adxl355 import FamilyOptions, channels
from sensorml.interfaces import Registers

__all__ = ["Driver", "Options", "channels"]


class Options(FamilyOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "adxl357"`."""

    range_g: Literal[10, 20, 40] = 40


class Driver(adxl355.Family):
    """One ADXL357."""

    name = "adxl357"

    def __init__(
        self,
        options: Options,
        connect: Callable[[FamilyOptions, str], Registers] = adxl355.SPI.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(options, options.range_g, connect, clock)
