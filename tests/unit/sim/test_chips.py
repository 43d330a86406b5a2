"""The simulated chips, byte by byte, as their data sheets have them."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorml.sim.chips import adxl345, mpu6050
from sensorml.sim.machine import Machine, MachineOptions

STILL = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.5, -0.25, 1.0))
BUSY = MachineOptions()


class Clock:
    def __init__(self):
        self.now = 5_000_000_000

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += round(seconds * 1e9)


def get(chip, register, length=1):
    chip.write(bytes([register]))
    return chip.read(length)


def start_adxl345(machine=STILL, *, code=0x0D, fifo=0x80, data_format=0x0B, **options):
    clock = Clock()
    chip = adxl345.Chip(Machine(machine), clock, **options)
    chip.write(bytes([0x2C, code]))
    chip.write(bytes([0x31, data_format]))
    chip.write(bytes([0x38, fifo]))
    chip.write(bytes([0x2D, 0x08]))
    return chip, clock


def start_mpu6050(machine=STILL, *, divider=0, fifo_en=0x08, **options):
    clock = Clock()
    chip = mpu6050.Chip(Machine(machine), clock, **options)
    for register, value in ((0x6B, 1), (0x19, divider), (0x1A, 1), (0x23, fifo_en)):
        chip.write(bytes([register, value]))
    chip.write(bytes([0x6A, 0x40]))
    return chip, clock


def fifo_bytes(chip):
    return int.from_bytes(get(chip, 0x72, 2), "big")


@pytest.mark.parametrize(
    ("module", "register", "identity"), [(adxl345, 0, 0xE5), (mpu6050, 0x75, 0x68)]
)
def test_it_has_its_identity_or_that_of_a_clone(module, register, identity):
    machine = Machine(STILL)
    assert get(module.Chip(machine, Clock()), register) == bytes([identity])
    clone = module.Chip(machine, Clock(), identity=0x7D)
    clone.write(bytes([register, 0x00]))  # read-only
    assert get(clone, register) == b"\x7d"


@pytest.mark.parametrize("module", [adxl345, mpu6050])
def test_after_power_on_it_sleeps_and_samples_nothing(module):
    clock = Clock()
    chip = module.Chip(Machine(STILL), clock)
    clock.wait(1)
    assert chip.asleep
    get(chip, 0x00)
    assert chip.converter.taken == 0


def test_adxl345_gives_a_sample_per_burst_of_six_oldest_first():
    chip, clock = start_adxl345(BUSY)
    clock.wait(0.01001)
    assert get(chip, 0x39) == bytes([8])
    times_s = (chip.converter.times_ns(0, 8) - 5_000_000_000) / 1e9
    truth = np.rint(Machine(BUSY).acceleration(times_s) * 256)
    rows = [struct.unpack("<3h", get(chip, 0x32, 6)) for _ in range(8)]
    np.testing.assert_array_equal(rows, truth)
    assert get(chip, 0x39) == b"\x00"
    assert struct.unpack("<3h", get(chip, 0x32, 6)) == rows[-1]  # empty: it stays


@pytest.mark.parametrize(("code", "rate_hz"), [(0x08, 25), (0x0D, 800), (0x0F, 3200)])
def test_adxl345_samples_at_the_rate_of_its_code_and_its_oscillator(code, rate_hz):
    chip, clock = start_adxl345(code=code, rate_error=-0.03)
    clock.wait(10)
    get(chip, 0x39)
    assert chip.converter.taken == pytest.approx(10 * rate_hz * 0.97, abs=1)


def test_adxl345_stream_mode_keeps_the_newest_and_fifo_mode_the_oldest():
    newest = {}
    for mode in (0x80, 0x40):
        chip, clock = start_adxl345(BUSY, fifo=mode)
        for _ in range(100):
            clock.wait(1 / 800)
            get(chip, 0x00)
        assert get(chip, 0x39) == bytes([32])
        assert get(chip, 0x30)[0] & 0x01
        newest[mode] = get(chip, 0x32, 6)
        assert not get(chip, 0x30)[0] & 0x01
    chip, clock = start_adxl345(BUSY)
    clock.wait(1.01 / 800)
    assert get(chip, 0x32, 6) == newest[0x40]
    assert newest[0x80] != newest[0x40]


def test_adxl345_bypass_empties_the_fifo_and_shows_the_latest():
    chip, clock = start_adxl345()
    clock.wait(0.01)
    chip.write(bytes([0x38, 0x00]))
    clock.wait(0.01)
    assert get(chip, 0x39) == b"\x00"
    assert struct.unpack("<3h", get(chip, 0x32, 6)) == (128, -64, 256)


def test_adxl345_watermark_shows_in_int_source():
    chip, clock = start_adxl345(fifo=0x80 | 10)
    clock.wait(9.5 / 800)
    assert not get(chip, 0x30)[0] & 0x02
    clock.wait(1 / 800)
    assert get(chip, 0x30)[0] & 0x02


@pytest.mark.parametrize(
    ("data_format", "one_g", "top"),
    [(0x08, 256, 511), (0x0B, 256, 4095), (0x00, 256, 511), (0x03, 32, 511)],
)
def test_adxl345_scale_and_full_scale_follow_data_format(data_format, one_g, top):
    for gravity, count in ((1.0, one_g), (100.0, top), (-100.0, -top - 1)):
        machine = MachineOptions(harmonics=(), noise_g=0.0, gravity=(0.0, 0.0, gravity))
        chip, clock = start_adxl345(machine, data_format=data_format)
        clock.wait(0.01)
        assert struct.unpack("<3h", get(chip, 0x32, 6))[2] == count


def test_adxl345_has_no_lowest_bit_at_its_top_rates():
    chip, clock = start_adxl345(BUSY, code=0x0F)
    clock.wait(0.009)
    counts = [c for _ in range(28) for c in struct.unpack("<3h", get(chip, 0x32, 6))]
    assert not any(count & 1 for count in counts)
    assert len(set(counts)) > 10


def test_mpu6050_fifo_holds_what_fifo_en_asks_for_in_its_order():
    chip, clock = start_mpu6050(fifo_en=0x88)
    clock.wait(0.0025)
    assert fifo_bytes(chip) == 16
    row = struct.unpack(">4h", get(chip, 0x74, 8))
    assert row[:3] == (8192, -4096, 16384)
    assert row[3] / 340 + 36.53 == pytest.approx(22, abs=0.01)
    assert fifo_bytes(chip) == 8


def test_mpu6050_overflow_drops_the_oldest_bytes_and_is_reported_once():
    chip, clock = start_mpu6050()
    clock.wait(0.1705)
    assert fifo_bytes(chip) == 1020
    assert not get(chip, 0x3A)[0] & 0x10
    clock.wait(0.001)
    assert fifo_bytes(chip) == 1024
    assert get(chip, 0x3A)[0] & 0x10
    assert not get(chip, 0x3A)[0] & 0x10
    assert get(chip, 0x74, 6) != struct.pack(">3h", 8192, -4096, 16384)


def test_mpu6050_fifo_is_reset_only_while_it_is_off():
    chip, clock = start_mpu6050()
    clock.wait(0.02)
    chip.write(b"\x6a\x44")
    assert fifo_bytes(chip) == 120
    chip.write(b"\x6a\x04")
    assert fifo_bytes(chip) == 0
    assert get(chip, 0x6A) == b"\x00"  # the bit clears itself


def test_mpu6050_count_is_latched_by_its_high_byte():
    chip, clock = start_mpu6050()
    clock.wait(0.0105)
    get(chip, 0x72)
    clock.wait(0.01)
    assert get(chip, 0x73) == bytes([60])
    assert fifo_bytes(chip) == 120


def test_mpu6050_empty_fifo_repeats_its_last_byte():
    chip, clock = start_mpu6050()
    clock.wait(0.0015)
    assert get(chip, 0x74, 8) == struct.pack(">3h", 8192, -4096, 16384) + b"\x00\x00"


@pytest.mark.parametrize(("divider", "rate_hz"), [(0, 1000), (4, 200), (39, 25)])
def test_mpu6050_divides_its_kilohertz(divider, rate_hz):
    chip, clock = start_mpu6050(divider=divider, rate_error=0.04)
    clock.wait(10)
    get(chip, 0x00)
    assert chip.converter.taken == pytest.approx(10 * rate_hz * 1.04, abs=1)


def test_mpu6050_reset_loses_the_configuration():
    chip, clock = start_mpu6050()
    chip.write(b"\x6b\x80")
    clock.wait(0.1)
    assert chip.asleep
    assert fifo_bytes(chip) == 0
    assert get(chip, 0x23) == b"\x00"


@pytest.mark.parametrize("start", [start_adxl345, start_mpu6050])
def test_a_brown_out_loses_the_configuration(start):
    chip, clock = start()
    clock.wait(0.01)
    chip.brown_out()
    assert chip.asleep
    clock.wait(1)
    get(chip, 0x00)
    assert get(chip, 0x39 if start is start_adxl345 else 0x73) == b"\x00"


@pytest.mark.parametrize("start", [start_adxl345, start_mpu6050])
def test_a_frozen_converter_repeats_itself_and_recovers(start):
    def newest(chip):
        clock.wait(0.01)
        if start is start_mpu6050:
            return get(chip, 0x3B, 6)
        chip.write(b"\x38\x00")  # bypass: the data registers show the latest
        clock.wait(0.01)
        return get(chip, 0x32, 6)

    chip, clock = start(BUSY)
    before = newest(chip)
    chip.frozen = True
    held = {newest(chip) for _ in range(5)}
    chip.frozen = False
    after = {newest(chip) for _ in range(5)}
    assert held == {before}
    assert len(after) > 1


@settings(max_examples=30, deadline=None)
@given(waits=st.lists(st.floats(0, 0.03), min_size=1, max_size=30))
def test_samples_do_not_depend_on_the_times_of_reads(waits):
    looked_at, clock = start_mpu6050(BUSY)
    for wait in waits:
        clock.wait(wait)
        get(looked_at, 0x00)
    alone, other = start_mpu6050(BUSY)
    other.now = clock.now
    size = fifo_bytes(alone)
    assert fifo_bytes(looked_at) == size
    assert get(looked_at, 0x74, size) == get(alone, 0x74, size)


def test_a_day_without_a_reader_costs_only_a_fifo_full():
    chip, clock = start_mpu6050()
    clock.wait(86_400)
    assert fifo_bytes(chip) == 1024
    assert chip.converter.taken == 86_400_000


def test_the_sensor_clock_is_never_ahead_of_the_samples():
    chip, clock = start_adxl345(rate_error=0.04)
    clock.wait(0.5)
    get(chip, 0x00)
    newest = int(chip.converter.times_ns(0, chip.converter.taken)[-1])
    assert 0 <= clock.now - newest <= math.ceil(1e9 / 832)
