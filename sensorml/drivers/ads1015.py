"""ADS1015: an ADS1115 with 12 bits that converts up to 3300 times per second.

Data sheet: TI SBAS473, sections "Data Format" (left-justified: the lowest four bits are
0) and "Config Register" (the data rates).
"""

from __future__ import annotations

from sensorml.drivers import ads1115
from sensorml.drivers.ads1115 import channels

__all__ = ["Driver", "Options", "channels"]


class Options(ads1115.Options, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ads1015"`."""


class Driver(ads1115.Driver):
    """One ADS1015, which sleeps between conversions."""

    converter = ads1115.Converter(
        "ads1015",
        {128: 0, 250: 1, 490: 2, 920: 3, 1600: 4, 2400: 5, 3300: 6},
        top=0x7FF0,
    )
