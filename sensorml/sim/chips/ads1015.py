"""ADS1015: an ADS1115 with 12 bits and other data rates.

Data sheet: TI SBAS473, sections "Data Format" and "Config Register".
"""

from __future__ import annotations

from typing import ClassVar

from sensorml.sim.chips import ads1115


class Chip(ads1115.Chip):
    """One ADS1015."""

    RATES_HZ: ClassVar = (128, 250, 490, 920, 1600, 2400, 3300, 3300)
    BITS: ClassVar = 12
