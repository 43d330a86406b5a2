"""I2C: long bursts, few system calls, and failures that say what to do."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from sensorml.buses import i2c
from sensorml.buses.i2c import Device, I2cOptions
from sensorml.errors import BusError
from sensorml.interfaces import I2C
from sensorml.schema import Decoder
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345, mpu6050
from sensorml.sim.machine import Machine, MachineOptions


class Options(I2cOptions, frozen=True, kw_only=True):
    address: int = 0x53


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class FakeSMBus:
    """What smbus2.SMBus is to us: real i2c_msg objects, simulated chips."""

    chips: SimBus

    def __init__(self, bus):
        self.path = f"/dev/i2c-{bus}"
        self.fd = os.open(os.devnull, os.O_RDWR)
        self.sizes = []

    def i2c_rdwr(self, *messages):
        assert len(messages) <= 42
        self.sizes.append(len(messages))
        for message in messages:
            if message.flags & 1:
                answer = self.chips.transfer(message.addr, [message.len])
                for i, byte in enumerate(answer):
                    message.buf[i] = byte
            else:
                self.chips.transfer(message.addr, [bytes(message)])

    def close(self):
        os.close(self.fd)
        self.fd = -1


class Kernel:
    """The kernel's side: buses that were opened, addresses that are held."""

    def __init__(self, monkeypatch):
        self.held = set()
        self.opened = []
        monkeypatch.setattr("smbus2.SMBus", self.open)
        monkeypatch.setattr("fcntl.ioctl", self.ioctl)

    def open(self, number):
        self.opened.append(FakeSMBus(number))
        return self.opened[-1]

    def ioctl(self, fd, request, address):
        assert request == 0x0703
        if address in self.held:
            raise OSError(errno.EBUSY, "Device or resource busy")


@pytest.fixture
def kernel(monkeypatch):
    return Kernel(monkeypatch)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def adxl(clock):
    chip = adxl345.Chip(Machine(MachineOptions()), clock)
    for register, value in ((0x2C, 0x0D), (0x31, 0x0B), (0x38, 0x80), (0x2D, 0x08)):
        chip.write(bytes([register, value]))
    return chip


def test_a_burst_through_the_kernel_gives_what_the_chip_gave(kernel, clock, adxl):
    FakeSMBus.chips = SimBus({0x53: adxl})
    device = i2c.connect(Options(bus=1), "adxl345")
    twin = adxl345.Chip(Machine(MachineOptions()), lambda: clock.now)
    for register, value in ((0x2C, 0x0D), (0x31, 0x0B), (0x38, 0x80), (0x2D, 0x08)):
        twin.write(bytes([register, value]))
    clock.now += 39_000_000
    simulated = Device(SimBus({0x53: twin}), Options(bus="sim"), "adxl345")
    assert device.read(0x39, 1) == b"\x1f"
    burst = device.read_many(0x32, 6, 31)
    assert burst == b"".join(simulated.read(0x32, 6) for _ in range(31))
    device.close()
    assert kernel.opened[0].fd == -1


def test_a_burst_takes_as_few_system_calls_as_the_kernel_allows(kernel, adxl):
    FakeSMBus.chips = SimBus({0x53: adxl})
    device = i2c.connect(Options(bus=1), "adxl345")
    device.read_many(0x32, 6, 32)
    assert kernel.opened[0].sizes == [42, 22]
    device.close()


def test_a_read_may_be_longer_than_the_32_bytes_of_smbus(kernel, clock):
    chip = mpu6050.Chip(Machine(MachineOptions()), clock)
    FakeSMBus.chips = SimBus({0x68: chip})
    device = i2c.connect(Options(bus=1, address=0x68), "mpu6050")
    for register, value in ((0x6B, 1), (0x1A, 1), (0x23, 8), (0x6A, 0x40)):
        device.write(register, bytes([value]))
    clock.now += 50_500_000
    assert device.read(0x72, 2) == (300).to_bytes(2, "big")
    assert len(set(device.read(0x74, 300))) > 50
    device.close()


def test_a_held_address_is_busy_and_the_bus_is_closed_again(kernel):
    kernel.held.add(0x53)
    with pytest.raises(BusError, match="kernel driver holds") as failure:
        i2c.connect(Options(bus=1), "adxl345")
    assert failure.value.errno == errno.EBUSY
    assert kernel.opened[0].fd == -1


@pytest.mark.skipif(Path("/dev/i2c-250").exists(), reason="there is a bus 250")
def test_a_bus_that_does_not_exist_says_how_to_enable_it():
    with pytest.raises(BusError, match=r"0x53 on i2c-250.*raspi-config") as failure:
        i2c.connect(Options(bus=250), "adxl345")
    assert failure.value.errno == errno.ENOENT


class Failing:
    def __init__(self, number):
        self.number = number

    def transfer(self, address, messages):
        raise OSError(self.number, os.strerror(self.number))

    def close(self):
        pass


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENXIO, "check the wiring, the power and the address"),
        (errno.EREMOTEIO, "check the wiring, the power and the address"),
        (errno.EIO, "power-cycle"),
        (errno.ETIMEDOUT, "power-cycle"),
        (errno.EBUSY, "kernel driver"),
        (errno.EACCES, "group i2c"),
        (errno.EPERM, "group i2c"),
        (errno.ENODEV, "adapter"),
        (errno.EOVERFLOW, "Value too large"),
    ],
)
def test_every_failure_keeps_its_errno_and_names_place_and_cure(number, cure):
    device = Device(Failing(number), Options(bus=7), "adxl345")
    for transfer in (
        lambda: device.read(0, 1),
        lambda: device.read_many(0, 1, 40),
        lambda: device.write(0, b"\x00"),
    ):
        with pytest.raises(
            BusError, match=f"adxl345 at 0x53 on i2c-7: .*{cure}"
        ) as failure:
            transfer()
        assert failure.value.errno == number


@pytest.mark.parametrize("chip", ["adxl345", "mpu6050"])
def test_bus_sim_makes_the_chip_and_it_answers(chip):
    device: I2C = i2c.connect(Options(bus="sim"), chip)
    register, identity = (0x00, 0xE5) if chip == "adxl345" else (0x75, 0x68)
    assert device.read(register, 1) == bytes([identity])
    assert str(device) == f"{chip} at 0x53 on i2c-sim"
    device.close()


def test_sensors_on_one_bus_share_its_thread():
    assert Options(bus=3).thread == Options(bus=3, address=0x1D).thread == "i2c-3"
    assert Options(bus="sim").thread == "i2c-sim"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"bus": "smi"}, "bus"),
        ({"bus": -1}, "bus"),
        ({"address": 0x80}, "address"),
        ({"address": 0x00}, "address"),
        ({"adress": 0x53}, "adress"),
        ({"machine": {"rpmm": 5}}, "machine.rpmm"),
    ],
)
def test_wrong_keys_are_found_before_any_hardware_is(table, key):
    class Chip(I2cOptions, frozen=True, kw_only=True):
        pass

    decoder = Decoder("config.toml")
    decoder.table({"address": 0x53, **table}, Chip)
    assert [problem.key for problem in decoder.problems] == [key]


def test_the_address_has_no_default_of_its_own():
    with pytest.raises(msgspec.ValidationError, match="address"):
        msgspec.convert({}, I2cOptions)
