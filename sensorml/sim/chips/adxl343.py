"""ADXL343: register by register an ADXL345.

Data sheet: Analog Devices ADXL343, "Register Map".
"""

from __future__ import annotations

from sensorml.sim.chips.adxl345 import Chip

__all__ = ["Chip"]
