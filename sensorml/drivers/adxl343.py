"""ADXL343 accelerometer: the registers, the scale and the FIFO of an ADXL345.

Data sheet: Analog Devices ADXL343, sections "SPI", "FIFO" and "Register
Definitions". Its identity is that of an ADXL345, too.
"""

from __future__ import annotations

from sensorml.drivers import adxl345
from sensorml.drivers.adxl345 import channels, decode, self_test

__all__ = ["Driver", "Options", "channels", "decode", "self_test"]


class Options(adxl345.Options, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "adxl343"`."""


class Driver(adxl345.Driver):
    """One ADXL343, read from its FIFO in stream mode."""

    name = "adxl343"
