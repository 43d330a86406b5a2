"""The compass in an MPU-9250, as its master on the other side sees it."""

import struct

import pytest

from sensorml.buses.i2c_traffic import ManualClock
from sensorml.sim import compass
from sensorml.sim.chips import mpu9250
from sensorml.sim.machine import Machine, MachineOptions

SLAVE_0, SLAVE_1 = 0x25, 0x28
STATUS, DATA, VALUE, CONTROL = 0x36, 0x49, 0x63, 0x6A
READ, ON, SWAP_FROM_ODD = 0x80, 0x80, 0x50
MASTER = 0x20
WIA, MEASURED, MODE, FUSES = 0x00, 0x03, 0x0A, 0x10
SINGLE, FUSE_ROM = 0x11, 0x0F


@pytest.fixture
def chip():
    made = mpu9250.Chip(Machine(MachineOptions()), ManualClock())
    put(made, CONTROL, MASTER)
    return made


def put(chip, register, *values):
    chip.write(bytes((register, *values)))


def after_a_sample(chip, register, length):
    chip.converter._clock.now_ns += 10**9
    chip.write(bytes((register,)))
    return chip.read(length)


def put_in_compass(chip, register, value):
    put(chip, VALUE + 1, value)
    put(chip, SLAVE_1, compass.ADDRESS, register, ON | 1)


def test_its_identity_comes_with_the_next_sample(chip):
    put(chip, SLAVE_0, READ | compass.ADDRESS, WIA, ON | 1)
    chip.write(bytes((DATA,)))
    assert chip.read(1) == b"\0"
    assert after_a_sample(chip, DATA, 1) == b"\x48"
    assert after_a_sample(chip, STATUS, 1) == b"\0"


def test_an_address_without_a_chip_is_reported(chip):
    put(chip, SLAVE_1, READ | 0x1E, WIA, ON | 1)
    assert after_a_sample(chip, STATUS, 1) == bytes((1 << 1,))


def test_a_field_is_measured_on_command(chip):
    put(chip, SLAVE_0, READ | compass.ADDRESS, MEASURED, ON | 7)
    assert after_a_sample(chip, DATA, 7) == bytes(7)
    put_in_compass(chip, MODE, SINGLE)
    *field, status = struct.unpack("<3hB", after_a_sample(chip, DATA, 7))
    assert tuple(field) == compass.FIELD
    assert status == SINGLE & 0x10  # 16 bits


def test_words_can_be_swapped_on_the_way(chip):
    put(chip, SLAVE_0, READ | compass.ADDRESS, MEASURED, ON | SWAP_FROM_ODD | 6)
    put_in_compass(chip, MODE, SINGLE)
    assert struct.unpack(">3h", after_a_sample(chip, DATA, 6)) == compass.FIELD


def test_its_fuses_can_be_read_in_their_mode_only(chip):
    put(chip, SLAVE_0, READ | compass.ADDRESS, FUSES, ON | 3)
    assert after_a_sample(chip, DATA, 3) == bytes(3)
    put_in_compass(chip, MODE, FUSE_ROM)
    assert tuple(after_a_sample(chip, DATA, 3)) == compass.ADJUSTMENT


def test_without_its_master_it_is_not_read(chip):
    put(chip, SLAVE_0, READ | compass.ADDRESS, WIA, ON | 1)
    put(chip, CONTROL, 0)
    assert after_a_sample(chip, DATA, 1) == b"\0"
