"""ICM-20948: what is particular to it; the rest is in contracts/test_chips.py."""

from typing import get_args, get_type_hints

import numpy as np
import pytest

from sensorml.buses.i2c import I2cConnection
from sensorml.drivers.icm20948 import Driver, Options
from sensorml.errors import BusError
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import icm20948
from sensorml.sim.machine import Machine, MachineOptions

RATES = get_args(get_type_hints(Options)["rate_hz"])
# Upper ends in Hz by ACCEL_DLPFCFG: data sheet, section 10.15.
FILTERS_HZ = (246.0, 246.0, 111.4, 50.4, 23.9, 11.5, 5.7, 473)
STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))


class Clock:
    now = 10**12

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def bench(machine=STILL, rate_error=0.0, **options):
    clock = Clock()
    chip = icm20948.Chip(Machine(machine), clock, rate_error=rate_error)
    bus = SimBus({0x68: chip})
    driver = Driver(
        Options(bus="sim", **options), lambda o, c: I2cConnection(bus, o, c), clock
    )
    return driver, chip, bus, clock


def get(chip, register, length=1, bank=0):
    chip.write(bytes([0x7F, bank << 4]))
    chip.write(bytes([register]))
    return chip.read(length)


def put(chip, register, value, bank=0):
    chip.write(bytes([0x7F, bank << 4]))
    chip.write(bytes([register, value]))


def run(driver, clock, reads):
    blocks = []
    for _ in range(reads):
        clock.wait(driver.period_s)
        blocks.append(driver.read())
    return [block for block in blocks if block is not None]


def test_without_filter_it_gives_4500_rows_a_second():
    driver, chip, bus, clock = bench(rate_hz=4500, rate_error=-0.01)
    driver.start()
    before = bus.wire_bytes
    blocks = run(driver, clock, 1000)
    assert blocks[-1].rate_hz == pytest.approx(4455, rel=1e-4)
    rows = sum(len(block.samples) for block in blocks)
    assert rows == chip.converter.taken
    assert bus.wire_bytes - before < 1.1 * rows * 6


@pytest.mark.parametrize("rate_hz", RATES)
def test_its_filter_is_the_widest_that_ends_below_half_the_rate(rate_hz):
    driver, chip, _, _ = bench(rate_hz=rate_hz)
    driver.start()
    chosen = get(chip, 0x14, bank=2)[0]
    if rate_hz == 4500:
        assert not chosen & 0x01
    else:
        assert chosen & 0x01
        fitting = [end for end in FILTERS_HZ if end < rate_hz / 2]
        assert FILTERS_HZ[chosen >> 3 & 7] == max(fitting)


def test_an_overflow_is_counted_and_whole_rows_follow():
    driver, chip, _, clock = bench(rate_hz=4500)
    driver.start()
    before = run(driver, clock, 100)
    clock.wait(0.5)
    assert driver.read() is None
    after = run(driver, clock, 20)
    assert after[0].missed == pytest.approx(2250, abs=2)
    for block in after:
        assert np.all(block.samples == (0.5, -0.25, 1.0))
    got = sum(len(block.samples) + block.missed for block in before + after)
    assert got == pytest.approx(chip.converter.taken, abs=1)


def test_a_start_that_fails_anywhere_can_be_stopped_and_repeated():
    driver, _, bus, _ = bench()
    driver.start()
    for good in range(bus.transfers):
        driver, chip, bus, clock = bench()
        transfer = bus.transfer

        def loose(address, messages, chip=chip, bus=bus, good=good, do=transfer):
            chip.absent = bus.transfers == good
            return do(address, messages)

        bus.transfer = loose
        with pytest.raises(BusError):
            driver.start()
        driver.stop()
        assert chip.asleep
        driver.start()
        assert run(driver, clock, 5)


def test_banks_are_separate_and_the_selector_is_in_all_of_them():
    _, chip, _, _ = bench()
    assert get(chip, 0x06) == b"\x41"
    assert get(chip, 0x14, bank=2) == b"\x01"
    put(chip, 0x14, 0x13, bank=2)
    assert get(chip, 0x14) == b"\x00"
    assert get(chip, 0x14, bank=2) == b"\x13"
    for bank in range(4):
        assert get(chip, 0x7F, bank=bank) == bytes([bank << 4])
    assert get(chip, 0x00, bank=3) == b"\x00"
    assert get(chip, 0x00) == b"\xea"


def test_a_reset_selects_bank_0_and_forgets_all_banks():
    _, chip, _, _ = bench()
    put(chip, 0x14, 0x13, bank=2)
    put(chip, 0x06, 0x80)
    assert chip.asleep
    assert get(chip, 0x7F) == b"\x00"
    assert get(chip, 0x14, bank=2) == b"\x01"


def test_the_fifo_stays_empty_while_its_reset_is_held():
    driver, chip, _, clock = bench()
    driver.start()
    clock.wait(0.0205)
    assert get(chip, 0x70, 2) == (23 * 6).to_bytes(2, "big")
    put(chip, 0x68, 0x1F)
    clock.wait(0.01)
    assert get(chip, 0x70, 2) == b"\x00\x00"
    put(chip, 0x68, 0x00)
    clock.wait(0.01)
    assert get(chip, 0x70, 2) != b"\x00\x00"


def test_an_overflow_of_the_chip_shows_once_and_its_data_stay_readable():
    driver, chip, _, clock = bench(range_g=2)
    driver.start()
    clock.wait(1)
    assert get(chip, 0x70, 2) == b"\x02\x00"
    assert get(chip, 0x1B) == b"\x01"
    assert get(chip, 0x1B) == b"\x00"
    assert get(chip, 0x2D, 6) == bytes([0x20, 0x00, 0xF0, 0x00, 0x40, 0x00])


def test_an_accelerometer_that_is_switched_off_samples_nothing():
    driver, chip, _, clock = bench()
    driver.start()
    put(chip, 0x07, 0x3F)
    clock.wait(0.1)
    assert get(chip, 0x70, 2) == b"\x00\x00"
