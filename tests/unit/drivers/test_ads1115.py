"""ADS1115: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import msgspec
import pytest
from support import Clock

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers import ads1015
from sensorml.drivers.ads1115 import Driver, Options, channels
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import ads1015 as sim_ads1015
from sensorml.sim.chips import ads1115


class Bench:
    def __init__(self, volts=(0.5, 1.0, 1.5, 2.0), speed=1.0, **options):
        self.clock = Clock()
        self.chip = ads1115.Chip(None, self.clock, speed=speed)
        self.chip.volts = list(volts)
        self.driver = self.another(**options)
        self.driver.start()

    def another(self, **options):
        """Make a driver of the same chip."""
        bus = SimBus({0x48: self.chip})
        return Driver(
            Options(bus="sim", **options),
            lambda o, c: I2cConnection(bus, o, c),
            self.clock,
        )

    def visit(self):
        self.clock.advance(self.driver.period_s)
        return self.driver.read()


def test_the_inputs_are_converted_in_turn_and_come_as_one_row():
    bench = Bench(inputs=("3", "0", "1"))
    assert bench.visit() is None
    assert bench.visit() is None
    assert bench.visit().samples.tolist() == [[2.0, 0.5, 1.0]]
    assert [bench.visit() is None for _ in range(3)] == [True, True, False]


def test_a_conversion_from_before_a_new_start_is_not_taken_for_the_first_input():
    bench = Bench(inputs=("0", "1"))
    bench.visit()  # begins the conversion of input 1
    bench.driver.start()
    assert bench.visit() is None
    assert bench.visit() is None
    assert bench.visit().samples.tolist() == [[0.5, 1.0]]


def test_a_difference_has_a_sign():
    bench = Bench(inputs=("0-1", "2-3"), volts=(0.25, 1.25, 3.0, 1.0))
    bench.visit()
    assert bench.visit().samples.tolist() == [[-1.0, 2.0]]


@pytest.mark.parametrize("range_mv", [6144, 4096, 2048, 1024, 512, 256])
def test_every_range_gives_the_same_volts_and_names_what_is_beyond(range_mv):
    bench = Bench(volts=[0.125] * 4, range_mv=range_mv)
    block = bench.visit()
    assert block.samples[0, 0] == pytest.approx(0.125, abs=range_mv / 3.2e7)
    assert not len(block.clipped)
    bench.chip.volts[0] = range_mv / 1000 + 0.1
    bench.visit()
    assert bench.visit().clipped.tolist() == [0]


@pytest.mark.parametrize("inputs", [("0",), ("0", "1", "2", "3")])
@pytest.mark.parametrize("rate_hz", [0.1, 7.2, 33.0, 100.0])
def test_a_slow_oscillator_is_still_done_by_the_next_visit(rate_hz, inputs):
    bench = Bench(speed=0.9, rate_hz=rate_hz, inputs=inputs)
    rows = [bench.visit() for _ in range(8)]
    assert sum(row is not None for row in rows) == 8 / len(inputs)


def test_a_visit_amid_a_conversion_leaves_the_row_to_the_next():
    bench = Bench(inputs=("0", "1"), rate_hz=50.0)
    bench.clock.advance(0.019)
    assert bench.driver.read() is None
    bench.clock.advance(0.001)
    assert bench.driver.read() is None
    assert bench.visit().samples.tolist() == [[0.5, 1.0]]


def test_a_conversion_that_does_not_end_is_an_error():
    bench = Bench(speed=0.01, rate_hz=7.8)
    assert bench.visit() is None
    with pytest.raises(SensorError, match="takes too long"):
        bench.visit()


def test_a_slow_conversion_of_before_a_new_start_may_end():
    bench = Bench(rate_hz=1.0)
    bench.visit()  # begins one of 125 ms
    bench.driver = bench.another(rate_hz=100.0)
    bench.driver.start()
    rows = [bench.visit() is not None for _ in range(20)]
    assert rows == [False] * 13 + [True] * 7


def test_the_channels_are_named_after_the_inputs():
    found = channels(Options(inputs=("0", "2-3")))
    assert [(c.name, c.unit) for c in found] == [("ain0", "V"), ("ain2-3", "V")]


@pytest.mark.parametrize("wrong", [{"inputs": []}, {"inputs": ["4"]}, {"range_mv": 5}])
def test_impossible_options_are_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Options)


class Ads1015(Bench):
    """A driver of the ADS1015 on a chip, and the driver of the ADS1115 on it."""

    def __init__(self, chip, module=ads1015, **options):
        self.clock = Clock()
        self.chip = chip(None, self.clock)
        bus = SimBus({0x48: self.chip})
        self.driver = module.Driver(
            module.Options(bus="sim", **options),
            lambda o, c: I2cConnection(bus, o, c),
            self.clock,
        )
        self.driver.start()


def test_an_ads1015_has_12_bits_and_marks_its_own_full_scale():
    bench = Ads1015(sim_ads1015.Chip)
    assert bench.visit().samples.tolist() == [[0.5]]
    bench.chip.volts[0] = 5.0
    bench.visit()
    block = bench.visit()
    assert block.samples[0, 0] == pytest.approx(4.096 * 0x7FF0 / 0x8000)
    assert block.clipped.tolist() == [0]


def test_an_ads1115_read_as_an_ads1015_is_an_error_that_names_both():
    bench = Ads1015(ads1115.Chip, rate_hz=50.0)
    with pytest.raises(SensorError, match=r"driver is that of the chip \(ads1115, "):
        [bench.visit() for _ in range(9)]
