"""MPU-6050: what is particular to it; the rest is in contracts/test_drivers.py."""

import numpy as np
import pytest

from sensorml.buses import i2c_dev as i2cdev
from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.mpu6050 import Driver, Options
from sensorml.errors import SensorError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import mpu6050
from sensorml.sim.machine import Machine, MachineOptions


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=None, **options):
    clock = Clock()
    chip = mpu6050.Chip(Machine(machine or MachineOptions()), clock)
    bus = SimBus({0x68: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
    )
    return driver, bus, clock


def near_gravity(block):
    return np.abs(block.samples - (0, 0, 1)).max() < 0.5


def test_the_bytes_on_the_wire_are_nearly_only_samples():
    driver, bus, clock = bench()
    driver.start()
    before, rows = bus.wire_bytes, 0
    for _ in range(100):
        clock.wait(driver.period_s)
        rows += len(driver.read().samples)
    assert bus.wire_bytes - before < 1.1 * rows * 6


def test_an_overflow_empties_the_fifo_and_the_next_block_counts_what_is_gone():
    driver, _, clock = bench()
    driver.start()
    for _ in range(100):
        clock.wait(driver.period_s)
        driver.read()
    clock.wait(0.5)
    assert driver.read() is None
    clock.wait(0.0205)
    block = driver.read()
    assert len(block.samples) == pytest.approx(20, abs=1)
    assert block.missed == pytest.approx(500, abs=1)
    assert near_gravity(block)


def test_a_full_fifo_is_taken_out_in_transfers_that_end_in_time():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.1655)
    transfer, longest = bus.transfer, 0

    def measured(address, messages):
        nonlocal longest
        longest = max(longest, *(m for m in messages if isinstance(m, int)), 0)
        return transfer(address, messages)

    bus.transfer = measured
    block = driver.read()
    assert len(block.samples) == 165
    assert near_gravity(block)
    assert longest * 9 / 100_000 < i2cdev.TIMEOUT_S / 2


def test_what_was_overwritten_between_count_and_burst_is_no_block():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.1505)
    transfer = bus.transfer

    def late(address, messages):
        if messages[0] == b"\x74":
            clock.wait(0.1)
        return transfer(address, messages)

    bus.transfer = late
    assert driver.read() is None
    bus.transfer = transfer
    blocks = []
    for _ in range(20):
        clock.wait(driver.period_s)
        blocks.append(driver.read())
    assert all(near_gravity(block) for block in blocks)
    assert blocks[0].missed > 0


def test_a_row_that_is_being_written_is_left_for_the_next_read():
    driver, bus, clock = bench()
    driver.start()
    clock.wait(0.0105)
    transfer = bus.transfer

    def two_bytes_of_the_next_row(address, messages):
        answer = transfer(address, messages)
        if messages[0] == b"\x72":
            return (int.from_bytes(answer, "big") + 2).to_bytes(2, "big")
        return answer

    bus.transfer = two_bytes_of_the_next_row
    assert len(driver.read().samples) == 10
    bus.transfer = transfer
    clock.wait(0.01)
    block = driver.read()
    assert len(block.samples) == 10
    assert block.missed == 0


def test_all_ones_are_an_open_data_line_and_no_sample():
    least = -1 / 2048
    driver, _, clock = bench(
        MachineOptions(harmonics=(), noise_g=0.0, gravity=(least, least, least))
    )
    driver.start()
    clock.wait(0.02)
    with pytest.raises(SensorError, match="mpu6050 at 0x68 on i2c-sim: nothing but"):
        driver.read()
