"""KX134: what is particular to it; the rest is in contracts/test_drivers.py."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.kx134 import Driver, Options, decode
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import kx134
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=None, **options):
    clock = Clock()
    bus = SimBus({0x1F: kx134.Chip(Machine(machine or MachineOptions()), clock)})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
    )
    return driver, bus, clock


def get(bus, register, length=1):
    return bus.transfer(0x1F, [bytes([register]), length])


def put(bus, register, value):
    bus.transfer(0x1F, [bytes([register, value])])


def start_chip(machine=STILL, *, buffer=0xC1):
    clock = Clock()
    bus = SimBus({0x1F: kx134.Chip(Machine(machine), clock)})
    put(bus, 0x21, 0x0A)  # 800 Hz
    put(bus, 0x5F, buffer)
    put(bus, 0x1B, 0xC0)
    return bus, clock


def level(bus):
    return int.from_bytes(get(bus, 0x60, 2), "little")


@given(
    st.lists(st.tuples(*[st.integers(-32768, 32767)] * 3), min_size=1, max_size=86),
    st.sampled_from([8, 16, 32, 64]),
)
def test_decode_gives_back_what_the_chip_encoded(rows, range_g):
    decoded = decode(np.array(rows, "<i2").tobytes(), range_g)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded * (32768 / range_g), rows)


def test_a_burst_is_two_transfers_and_the_wire_carries_nearly_only_samples():
    driver, bus, clock = bench()
    driver.start()
    bytes_before, transfers, rows = bus.wire_bytes, bus.transfers, 0
    for _ in range(100):
        clock.wait(driver.period_s)
        rows += len(driver.read().samples)
    assert bus.transfers - transfers == 200
    assert bus.wire_bytes - bytes_before < 1.05 * rows * 6


@pytest.mark.parametrize("rows", [1, 42, 43, 85, 86])
def test_every_level_of_the_buffer_is_read_whole(rows):
    driver, _, clock = bench(rate_hz=400)
    driver.start()
    clock.wait((rows + 0.5) / 400)
    assert len(driver.read().samples) == rows
    assert driver.read() is None


def test_a_buffer_that_is_just_full_has_lost_nothing():
    driver, _, clock = bench()
    driver.start()
    for _ in range(100):
        clock.wait(driver.period_s)
        driver.read()
    clock.wait(86.5 / 1600)
    assert driver.read().missed <= 1
    clock.wait(186.5 / 1600)
    assert driver.read().missed == pytest.approx(100, abs=1)


def test_all_ones_are_an_open_data_line_and_no_sample():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.02)
    bus.chips[0x1F].stuck = 0xFF
    with pytest.raises(SensorError, match="kx134 at 0x1f on i2c-sim: nothing but"):
        driver.read()


def test_chip_counts_bytes_in_two_registers_and_gives_the_oldest_first():
    bus, clock = start_chip(MachineOptions())
    clock.wait(50.5 / 800)
    assert level(bus) == 300
    newest = get(bus, 0x08, 6)
    rows = get(bus, 0x63, 300)
    assert rows[-6:] == newest
    assert len({rows[i : i + 6] for i in range(0, 300, 6)}) > 40
    assert level(bus) == 0


def test_chip_stream_mode_keeps_the_newest_and_fifo_mode_the_oldest():
    oldest = []
    for mode in (0xC1, 0xC0):
        bus, clock = start_chip(MachineOptions(), buffer=mode)
        clock.wait(1.5 / 800)
        get(bus, 0x13)
        clock.wait(1 / 800)
        for _ in range(100):
            get(bus, 0x13)
            clock.wait(1 / 800)
        assert level(bus) == 516
        oldest.append(get(bus, 0x63, 6))
    bus, clock = start_chip(MachineOptions())
    clock.wait(1.5 / 800)
    first = get(bus, 0x63, 6)
    assert oldest[1] == first
    assert oldest[0] != first


def test_chip_takes_settings_in_standby_only():
    bus, clock = start_chip()
    put(bus, 0x5F, 0x00)
    put(bus, 0x21, 0x06)
    clock.wait(8.5 / 800)
    assert level(bus) == 48
    assert get(bus, 0x63, 6) == struct.pack("<3h", 2048, -1024, 4096)
    put(bus, 0x62, 0x00)
    assert level(bus) == 0
    assert get(bus, 0x12, 2) == b"\x55\x46"
