"""ADXL355: what is particular to it; the rest is in contracts/test_drivers.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.adxl355 import Driver, Options, decode
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl355
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))
STILL_ROW = bytes.fromhex("1f4001 f06000 3e8000")  # at ±2 g


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=None, rate_hz=1000, **options):
    clock = Clock()
    bus = SimBus({0x1D: adxl355.Chip(Machine(machine or MachineOptions()), clock)})
    options = Options(bus="sim", rate_hz=rate_hz, **options)
    driver = Driver(options, lambda o, c: I2cConnection(bus, o, c), clock)
    return driver, bus, clock


def get(bus, register, length=1):
    return bus.transfer(0x1D, [bytes([register]), length])


def put(bus, register, value):
    bus.transfer(0x1D, [bytes([register, value])])


def start_chip(machine=STILL):
    clock = Clock()
    bus = SimBus({0x1D: adxl355.Chip(Machine(machine), clock)})
    put(bus, 0x28, 2)  # 1000 Hz
    put(bus, 0x2D, 0x00)
    return bus, clock


def near_gravity(block):
    return np.abs(block.samples - (0, 0, 1)).max() < 0.5


@given(
    st.lists(
        st.tuples(*[st.integers(-(2**19), 2**19 - 1)] * 3), min_size=1, max_size=32
    ),
    st.sampled_from([2, 4, 8]),
)
def test_decode_gives_back_what_the_chip_encoded(rows, range_g):
    raw = b"".join(
        (count << 4 | mark).to_bytes(4, "big", signed=True)[1:]
        for row in rows
        for count, mark in zip(row, (1, 0, 0), strict=True)
    )
    decoded = decode(raw, range_g)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(np.rint(decoded * (512_000 / range_g)), rows)


def test_a_burst_is_two_transfers_and_the_wire_carries_nearly_only_samples():
    driver, bus, clock = bench()
    driver.start()
    bytes_before, transfers, rows = bus.wire_bytes, bus.transfers, 0
    for _ in range(100):
        clock.wait(driver.period_s)
        rows += len(driver.read().samples)
    assert bus.transfers - transfers == 200
    assert bus.wire_bytes - bytes_before < 1.1 * rows * 9


def test_a_fifo_that_is_just_full_has_lost_nothing():
    driver, _, clock = bench()
    driver.start()
    for _ in range(100):
        clock.wait(driver.period_s)
        driver.read()
    clock.wait(0.0325)
    block = driver.read()
    assert len(block.samples) == 32
    assert block.missed <= 1
    clock.wait(0.1325)
    assert driver.read().missed == pytest.approx(100, abs=1)


@pytest.mark.parametrize("entries", [1, 2])
def test_a_fifo_that_begins_amid_a_row_is_read_from_the_next_x_on(entries):
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.0105)
    get(bus, 0x11, 3 * entries)
    assert len(driver.read().samples) == 9
    clock.wait(0.01)
    block = driver.read()
    assert len(block.samples) == 10
    assert near_gravity(block)


@pytest.mark.parametrize("shown", [1, 2])
def test_a_row_that_is_being_written_is_given_once_it_is_whole(shown):
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.0105)
    transfer = bus.transfer

    def without_the_end_of_the_last_row(address, messages):
        answer = transfer(address, messages)
        return bytes([27 + shown]) if messages[0] == b"\x05" else answer

    bus.transfer = without_the_end_of_the_last_row
    assert len(driver.read().samples) == 9
    bus.transfer = transfer
    block = driver.read()
    assert len(block.samples) == 1
    assert near_gravity(block)


def test_a_piece_of_a_row_alone_is_no_block():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.0015)
    get(bus, 0x11, 3)
    assert driver.read() is None
    clock.wait(0.001)
    assert near_gravity(driver.read())


@pytest.mark.parametrize("level", [0x00, 0xFF])
def test_a_dead_data_line_is_no_sample(level):
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.02)
    transfer = bus.transfer

    def dead_in_the_burst(address, messages):
        answer = transfer(address, messages)
        return bytes([level]) * len(answer) if messages[0] == b"\x11" else answer

    bus.transfer = dead_in_the_burst
    with pytest.raises(SensorError, match="0x1d on i2c-sim: the FIFO's entries"):
        driver.read()


def test_chip_marks_x_and_says_when_nothing_was_there():
    bus, clock = start_chip()
    clock.wait(0.0021)
    assert get(bus, 0x05) == bytes([6])
    assert get(bus, 0x11, 18) == STILL_ROW * 2
    assert get(bus, 0x05) == bytes([0])
    assert get(bus, 0x11, 3)[2] & 0x02


def test_chip_drops_whole_rows_and_keeps_the_newest():
    bus, clock = start_chip(MachineOptions())
    clock.wait(0.0321)
    get(bus, 0x05)
    clock.wait(0.005)
    assert get(bus, 0x05) == bytes([96])
    newest = get(bus, 0x08, 9)
    rows = get(bus, 0x11, 288)
    assert rows[2] & 0x01
    assert rows[-6:] == newest[-6:]


def test_chip_is_reset_by_its_code_only():
    bus, _ = start_chip()
    put(bus, 0x2F, 0x51)
    assert get(bus, 0x2D) == b"\x00"
    put(bus, 0x2F, 0x52)
    assert get(bus, 0x2D) == b"\x01"
    assert get(bus, 0x28) == b"\x00"
    assert get(bus, 0x00, 3) == bytes([0xAD, 0x1D, 0xED])
