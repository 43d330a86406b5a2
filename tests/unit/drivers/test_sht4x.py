"""SHT4x: its own behaviour; the rest is in contracts/test_polled_chips.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_bus import SimulatedBus

from sensorml.drivers.sht4x import Driver, Options, checksum
from sensorml.errors import BusError, BusReason, SensorError
from sensorml.sim.chips import sht4x


class Bench:
    """A driver that is started, and its chip."""

    def __init__(self, chip=None, **options):
        self.bus = SimulatedBus()
        self.chip = chip or sht4x.Chip(clock=self.bus.clock)
        self.bus.put({0x44: self.chip})
        options = Options(bus="sim", **options)
        self.driver = Driver(options, self.bus.connect, self.bus.clock)

    def start(self):
        self.driver.start()
        self.bus.wait(self.driver.period_s)
        return self


@given(st.binary(min_size=2, max_size=2), st.integers(0, 15))
def test_a_checksum_finds_every_bit_that_is_wrong(word, bit):
    wrong = (int.from_bytes(word, "big") ^ 1 << bit).to_bytes(2, "big")
    assert checksum(word) != checksum(wrong)


def test_a_row_is_the_measurement_that_the_read_before_has_started():
    bench = Bench().start()
    bench.chip.counts = (0x8000, 0x8000)
    assert bench.driver.read().samples.tolist() == [[25.0, 44.0]]
    bench.bus.wait(1)
    assert bench.driver.read().samples[0].round(2).tolist() == [42.5, 56.5]


def test_a_read_before_the_measurement_is_done_has_no_row_and_loses_none():
    bench = Bench().start()
    bench.driver.read()
    assert bench.driver.read() is None
    bench.bus.wait(0.01)
    assert bench.driver.read().samples.shape == (1, 2)


def test_no_visit_waits_for_a_measurement():
    bench = Bench().start()
    begun_ns = bench.bus.now_ns
    bench.driver.read()
    assert bench.bus.now_ns - begun_ns < 1e6


def test_a_power_dip_during_a_measurement_is_reported_and_the_next_row_is_good():
    bench = Bench().start()
    bench.chip.brown_out()
    with pytest.raises(SensorError, match=r"a measurement was lost.*dips"):
        bench.driver.read()
    bench.bus.wait(1)
    assert bench.driver.read() is not None


def test_a_chip_that_vanishes_while_it_measures_is_absent_and_not_busy_for_ever():
    bench = Bench().start()
    bench.chip.absent = True
    with pytest.raises(BusError) as failure:
        bench.driver.read()
    assert failure.value.reason is BusReason.NOBODY


def test_a_chip_that_gives_no_serial_number_is_another_one():
    bench = Bench()
    bench.chip._take = lambda _data: None  # an SHT3x: two bytes are a command
    with pytest.raises(SensorError, match=r'SHT3x.*driver = "hwmon"'):
        bench.driver.start()


def test_a_hanging_chip_is_a_bus_error_and_not_a_busy_one():
    bench = Bench().start()
    bench.chip.hung = True
    with pytest.raises(BusError) as failure:
        bench.driver.read()
    assert failure.value.reason is BusReason.TIMED_OUT
