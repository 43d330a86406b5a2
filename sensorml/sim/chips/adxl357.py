"""ADXL357: an ADXL355 with five times the range.

Data sheet: Analog Devices ADXL356/ADXL357, Table 2 and "Register Map".
"""

from __future__ import annotations

from typing import ClassVar

from sensorml.sim.chips import adxl355


class Chip(adxl355.Chip):
    """One ADXL357."""

    LSB_PER_G: ClassVar = 102_400
