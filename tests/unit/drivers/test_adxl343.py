"""ADXL343: an ADXL345 under its own name; the rest is in contracts/."""

import pytest

from sensorml.buses.i2c import connect
from sensorml.drivers import adxl343, adxl345
from sensorml.errors import BusError


def test_its_errors_and_its_bus_say_its_own_name():
    names = []

    def remember(options, chip):
        names.append(chip)
        return connect(options, chip)

    driver = adxl343.Driver(adxl343.Options(bus="sim"), remember)
    with pytest.raises(BusError, match="adxl343: not started"):
        driver.read()
    driver.start()
    driver.stop()
    assert names == ["adxl343"]


def test_its_rows_and_options_are_those_of_the_adxl345():
    one_g = bytes([0x00, 0x00, 0x00, 0x00, 0x00, 0x01])
    assert adxl343.decode(one_g).tolist() == [[0.0, 0.0, 1.0]]
    assert adxl343.channels(adxl343.Options()) == adxl345.CHANNELS
    assert adxl343.Options().address == 0x53
