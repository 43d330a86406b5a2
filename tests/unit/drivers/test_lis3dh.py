"""LIS3DH: what is particular to it; the rest is in contracts/test_drivers.py."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.lis3dh import Driver, Options, decode
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import lis3dh
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))
MG = {2: 1, 4: 2, 8: 4, 16: 12}


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=None, **options):
    clock = Clock()
    chip = lis3dh.Chip(Machine(machine or MachineOptions()), clock)
    bus = SimBus({0x18: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
    )
    return driver, bus, clock


def get(bus, register, length=1):
    return bus.transfer(0x18, [bytes([register]), length])


def start_chip(machine=STILL, *, ctrl_reg4=0x08, fifo=0x80):
    clock = Clock()
    bus = SimBus({0x18: lis3dh.Chip(Machine(machine), clock)})
    for register, value in ((0x23, ctrl_reg4), (0x24, 0x40), (0x2E, fifo)):
        bus.transfer(0x18, [bytes([register, value])])
    bus.transfer(0x18, [bytes([0x20, 0x77])])  # 400 Hz
    return bus, clock


@given(
    st.lists(st.tuples(*[st.integers(-2048, 2047)] * 3), min_size=1, max_size=32),
    st.sampled_from([2, 4, 8, 16]),
)
def test_decode_gives_back_what_the_chip_encoded(rows, range_g):
    decoded = decode((np.array(rows, "<i2") << 4).tobytes(), range_g)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded * 1000 / MG[range_g], rows, atol=1e-3)


def test_a_burst_is_two_transfers_and_the_wire_carries_nearly_only_samples():
    driver, bus, clock = bench()
    driver.start()
    bytes_before, transfers, rows = bus.wire_bytes, bus.transfers, 0
    for _ in range(100):
        clock.wait(driver.period_s)
        rows += len(driver.read().samples)
    assert bus.transfers - transfers == 200
    assert bus.wire_bytes - bytes_before < 1.1 * rows * 6


@pytest.mark.parametrize("rows", [1, 2, 30, 31, 32])
def test_every_level_of_the_fifo_is_read_whole(rows):
    driver, _, clock = bench(rate_hz=400)
    driver.start()
    clock.wait((rows + 0.5) / 400)
    assert len(driver.read().samples) == rows
    assert driver.read() is None


def test_a_fifo_that_is_just_full_has_lost_nothing():
    driver, _, clock = bench(rate_hz=400)
    driver.start()
    for _ in range(100):
        clock.wait(driver.period_s)
        driver.read()
    clock.wait(32.5 / 400)
    assert driver.read().missed <= 1
    clock.wait(132.5 / 400)
    assert driver.read().missed == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    ("mode", "step_g"), [("high_resolution", 0.001), ("normal", 0.004)]
)
def test_both_modes_give_the_same_g_in_steps_of_their_own(mode, step_g):
    driver, _, clock = bench(mode=mode, range_g=2)
    driver.start()
    clock.wait(0.02)
    samples = driver.read().samples
    assert samples[:, 2].mean() == pytest.approx(1.0, abs=0.15)
    steps = samples / step_g
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_all_ones_are_an_open_data_line_and_no_sample():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.02)
    bus.chips[0x18].stuck = 0xFF
    with pytest.raises(SensorError, match="lis3dh at 0x18 on i2c-sim: nothing but"):
        driver.read()


def test_chip_advances_its_address_only_when_bit_7_asks_for_it():
    bus, clock = start_chip()
    clock.wait(0.0051)
    row = struct.pack("<3h", 500 << 4, -250 << 4, 1000 << 4)
    assert get(bus, 0xA8, 12) == row * 2  # turns back to X after Z
    assert get(bus, 0x0F, 3) == b"\x33" * 3


def test_chip_counts_31_when_it_is_full_and_says_that_it_is_overrun():
    bus, clock = start_chip(fifo=0x80 | 10)
    assert get(bus, 0x2F) == bytes([0x20])
    clock.wait(10.5 / 400)
    assert get(bus, 0x2F) == bytes([10])
    clock.wait(1 / 400)
    assert get(bus, 0x2F) == bytes([0x80 | 11])
    clock.wait(20 / 400)
    assert get(bus, 0x2F) == bytes([0x80 | 31])
    clock.wait(1 / 400)
    assert get(bus, 0x2F) == bytes([0x80 | 0x40 | 31])


def test_chip_keeps_the_oldest_in_fifo_mode_and_bypass_empties_it():
    bus, clock = start_chip(MachineOptions(), fifo=0x40)
    clock.wait(0.0026)
    first = get(bus, 0xA8, 6)
    bus, clock = start_chip(MachineOptions(), fifo=0x40)
    for _ in range(100):
        clock.wait(1 / 400)
        get(bus, 0x2F)
    assert get(bus, 0xA8, 6) == first
    bus.transfer(0x18, [b"\x2e\x00"])
    assert get(bus, 0x2F) == bytes([0x20])


def test_chip_drops_the_lowest_two_bits_in_normal_mode():
    bus, clock = start_chip(MachineOptions(), ctrl_reg4=0x00)
    clock.wait(0.0701)
    counts = struct.unpack("<84h", get(bus, 0xA8, 168))
    assert not any(count & 0x3F for count in counts)
    assert len(set(counts)) > 10
