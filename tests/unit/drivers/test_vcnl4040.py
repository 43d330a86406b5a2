"""VCNL4040: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.vcnl4040 import Driver, Options
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import vcnl4040


def bench(chip, **options):
    bus = SimBus({0x60: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), Clock()
    )
    driver.start()
    return driver


@pytest.mark.parametrize("integration_ms", [80, 160, 320, 640])
def test_the_light_is_the_same_at_every_integration_time(integration_ms):
    chip = vcnl4040.Chip()
    chip.lux, chip.proximity = 512.5, 4321
    block = bench(chip, integration_ms=integration_ms).read()
    assert block.samples.tolist() == [[4321.0, 512.5]]
    assert not len(block.clipped)


@pytest.mark.parametrize("change", [{"lux": 1e5}, {"proximity": 0x1FFFF}])
def test_a_value_at_full_scale_is_named(change):
    chip = vcnl4040.Chip()
    for name, value in change.items():
        setattr(chip, name, value)
    assert bench(chip).read().clipped.tolist() == [0]


def test_the_current_of_the_led_is_set():
    chip = vcnl4040.Chip()
    bench(chip, led_ma=200)
    assert chip.held[0x04] == b"\x00\x07"


def test_a_rate_that_the_integration_does_not_allow_is_refused():
    with pytest.raises(ValueError, match="integration_ms = 640: lower one"):
        Options(rate_hz=2.0, integration_ms=640)
