"""The simulated bus, and the ways in which every simulated chip fails."""

import errno

import pytest

from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345
from sensorml.sim.machine import Machine, MachineOptions


@pytest.fixture
def chip():
    return adxl345.Chip(Machine(MachineOptions()), lambda: 0)


def get(chip, register, length):
    chip.write(bytes([register]))
    return chip.read(length)


def test_the_bus_fails_as_the_kernel_does(chip):
    bus = SimBus({0x53: chip})

    def number(address=0x53, message=b"\x31\x0b"):
        with pytest.raises(OSError, match=r".") as failure:
            bus.transfer(address, [message])
        return failure.value.errno

    assert number(address=0x1D) == errno.EREMOTEIO
    chip.nack_at = 1
    assert number() == errno.EREMOTEIO
    chip.nack_at = None
    chip.absent = True
    assert number() == errno.EREMOTEIO
    chip.hung = True
    assert number() == errno.ETIMEDOUT
    chip.absent = chip.hung = False
    assert bus.transfer(0x53, [b"\x00", 1]) == b"\xe5"


def test_a_refused_byte_is_not_written_and_those_before_it_are(chip):
    chip.nack_at = 2
    with pytest.raises(OSError, match="Remote I/O"):
        chip.write(bytes([0x1E, 11, 22]))
    chip.nack_at = None
    assert get(chip, 0x1E, 2) == bytes([11, 0])


def test_a_read_can_be_refused_amid_a_burst_and_has_taken_nothing(chip):
    bus = SimBus({0x53: chip})
    chip.reads_until_nack = 2
    with pytest.raises(OSError, match="Remote I/O"):
        bus.transfer(0x53, [b"\x00", 1] * 3)
    assert chip.reads_until_nack == 0
    with pytest.raises(OSError, match="Remote I/O"):
        bus.transfer(0x53, [b"\x00", 1])
    bus.transfer(0x53, [b"\x2d\x00"])  # a write is not a read
    chip.reads_until_nack = None
    assert bus.transfer(0x53, [b"\x00", 1]) == b"\xe5"


def test_the_bus_counts_every_byte_on_the_wire(chip):
    bus = SimBus({0x53: chip})
    bus.transfer(0x53, [b"\x32", 6])
    assert bus.wire_bytes == 1 + 1 + 1 + 6
    assert bus.transfers == 1


def test_a_stuck_data_line_reads_the_same_everywhere(chip):
    chip.stuck = 0xFF
    assert get(chip, 0x00, 3) == b"\xff" * 3
