"""BMP180: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_bus import SimulatedBus

from sensorml.drivers import bme280, bmp180
from sensorml.drivers.bmp180 import Calibration, decode
from sensorml.errors import SensorError
from sensorml.sim.chips import bme280 as sim_bme280
from sensorml.sim.chips import bmp180 as sim_bmp180

EXAMPLE = Calibration(
    *(408, -72, -14383, 32741, 32757, 23153), *(6190, 4, -32768, -8711, 2868)
)


class Bench:
    def __init__(self, module=bmp180, simulated=sim_bmp180, **chip):
        self.bus = SimulatedBus()
        self.chip = simulated.Chip(None, self.bus.clock, **chip)
        self.bus.put({0x77: self.chip})
        options = module.Options(bus="sim", address=0x77)
        self.driver = module.Driver(options, self.bus.connect, self.bus.clock)

    def row(self):
        self.bus.wait(1)
        return self.driver.read()


def whole_numbers_of_section_3_5(ut, up, c):
    """Return °C and Pa; the divisions are shifts, as the example needs them."""
    x1 = (ut - c.ac6) * c.ac5 >> 15
    b5 = x1 + c.mc * 2**11 // (x1 + c.md)
    b6 = b5 - 4000
    x1 = c.b2 * (b6 * b6 >> 12) >> 11
    b3 = c.ac1 * 4 + x1 + (c.ac2 * b6 >> 11) + 2 >> 2
    x1 = c.ac3 * b6 >> 13
    x2 = c.b1 * (b6 * b6 >> 12) >> 16
    b4 = c.ac4 * ((x1 + x2 + 2 >> 2) + 32768) >> 15
    p = (up - b3) * 50_000 * 2 // b4
    x1 = (p >> 8) ** 2 * 3038 >> 16
    return (b5 + 8 >> 4) / 10, p + (x1 + (-7357 * p >> 16) + 3791 >> 4)


def test_the_example_of_the_data_sheet_in_whole_numbers():
    assert whole_numbers_of_section_3_5(27898, 23843, EXAMPLE) == (15.0, 69964)


@given(st.integers(24_000, 34_000), st.integers(15_000, 45_000))
def test_the_real_numbers_agree_with_the_whole_ones(ut, up):
    celsius, pascal = decode(ut, up, EXAMPLE)
    whole = whole_numbers_of_section_3_5(ut, up, EXAMPLE)
    assert celsius == pytest.approx(whole[0], abs=0.11)
    assert pascal == pytest.approx(whole[1], abs=12)


def test_a_row_is_the_temperature_and_the_pressure_of_the_chip():
    bench = Bench()
    assert bench.driver.start() is None
    values = bench.row().samples[0].tolist()
    assert values == pytest.approx(decode(27_898, 23_843, EXAMPLE), rel=1e-6)
    bench.chip.counts = (28_000, 24_500)
    bench.row()
    values = bench.row().samples[0].tolist()
    assert values == pytest.approx(decode(28_000, 24_500, EXAMPLE), rel=1e-6)


def test_a_read_before_the_end_of_a_conversion_gives_no_row():
    bench = Bench()
    bench.driver.start()
    assert bench.driver.read() is None
    assert bench.row() is not None


@pytest.mark.parametrize("counts", [(40_000, 23_843), (27_898, 60_000)])
def test_an_impossible_value_is_an_error(counts):
    bench = Bench()
    bench.driver.start()
    bench.chip.counts = counts
    with pytest.raises(SensorError, match="outside what a BMP180 measures"):
        [bench.row() for _ in range(2)]


def test_it_and_a_bme280_are_refused_in_place_of_each_other_by_name():
    with pytest.raises(SensorError, match='not of BME280: write driver = "bmp180"'):
        Bench(bme280).driver.start()
    with pytest.raises(SensorError, match='not of BMP180: write driver = "bme280"'):
        Bench(bmp180, sim_bme280).driver.start()
