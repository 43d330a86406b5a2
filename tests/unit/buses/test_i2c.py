"""I2C: long bursts, few system calls, and failures with their cure."""

import errno
import itertools
import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from sensorml.buses import i2c
from sensorml.buses.i2c import I2cConnection, I2cOptions
from sensorml.buses.i2c_dev import KernelBus
from sensorml.drivers.adxl345 import Driver
from sensorml.drivers.adxl345 import Options as Adxl345Options
from sensorml.errors import BusError, BusReason
from sensorml.interfaces import Registers
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
    """smbus2.SMBus as far as it is used: real i2c_msg objects, simulated chips."""

    def __init__(self, kernel, path):
        self.kernel = kernel
        self.path = path
        self.funcs = kernel.funcs
        self.fd = os.open(os.devnull, os.O_RDWR)
        self.sizes = []

    def i2c_rdwr(self, *messages):
        assert len(messages) <= 42
        self.sizes.append(len(messages))
        if self.kernel.error is not None:
            raise OSError(self.kernel.error, os.strerror(self.kernel.error))
        if self.kernel.one_read and any(m.flags & 1 for m in messages[:-1]):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        for message in messages:
            if message.flags & 1:
                answer = self.kernel.chips.transfer(message.addr, [message.len])
                for i, byte in enumerate(answer):
                    message.buf[i] = byte
            else:
                self.kernel.chips.transfer(message.addr, [bytes(message)])

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Kernel:
    """The kernel's side: buses that were opened, addresses that are held."""

    def __init__(self, monkeypatch):
        self.chips = SimBus({})
        self.held = set()
        self.opened = []
        self.settings = {}
        self.funcs = 0x0EFF0009  # I2C and the SMBus that is emulated with it
        self.error = None
        self.one_read = False  # as i2c-bcm2835
        monkeypatch.setattr("smbus2.SMBus", self.open)
        monkeypatch.setattr("fcntl.ioctl", self.ioctl)

    def open(self, path):
        self.opened.append(FakeSMBus(self, path))
        return self.opened[-1]

    def ioctl(self, fd, request, value):
        if request == 0x0703 and value in self.held:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.settings[request] = value


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
    kernel.chips = SimBus({0x53: adxl})
    device = i2c.connect(Options(bus=1), "adxl345")
    twin = adxl345.Chip(Machine(MachineOptions()), lambda: clock.now)
    for register, value in ((0x2C, 0x0D), (0x31, 0x0B), (0x38, 0x80), (0x2D, 0x08)):
        twin.write(bytes([register, value]))
    clock.now += 39_000_000
    simulated = I2cConnection(SimBus({0x53: twin}), Options(bus="sim"), "adxl345")
    assert device.read(0x39, 1) == b"\x1f"
    burst = device.read_many(0x32, 6, 31)
    assert burst == b"".join(simulated.read(0x32, 6) for _ in range(31))
    device.close()
    assert kernel.opened[0].fd == -1


def test_a_burst_takes_as_few_system_calls_as_the_kernel_allows(kernel, adxl):
    kernel.chips = SimBus({0x53: adxl})
    device = i2c.connect(Options(bus=1), "adxl345")
    device.read_many(0x32, 6, 32)
    assert kernel.opened[0].sizes == [42, 22]
    device.close()


def test_a_read_may_be_longer_than_the_32_bytes_of_smbus(kernel, clock):
    chip = mpu6050.Chip(Machine(MachineOptions()), clock)
    kernel.chips = SimBus({0x68: chip})
    device = i2c.connect(Options(bus=1, address=0x68), "mpu6050")
    for register, value in ((0x6B, 1), (0x1A, 1), (0x23, 8), (0x6A, 0x40)):
        device.write(register, bytes([value]))
    clock.now += 50_500_000
    assert device.read(0x72, 2) == (300).to_bytes(2, "big")
    assert len(set(device.read(0x74, 300))) > 50
    device.close()


def test_a_held_address_is_busy_and_the_bus_is_closed_again(kernel):
    kernel.held.add(0x53)
    with pytest.raises(BusError, match="kernel driver uses") as failure:
        i2c.connect(Options(bus=1), "adxl345")
    assert failure.value.errno == errno.EBUSY
    assert kernel.opened[0].fd == -1


def test_a_transfer_ends_in_time_for_the_neighbours_and_is_not_repeated(kernel):
    i2c.connect(Options(bus=1), "adxl345").close()
    timeout_s = kernel.settings[0x0702] / 100
    longest_s = (1024 * 9 + 30) / 100_000
    assert 1.05 * longest_s < timeout_s < 0.11
    assert kernel.settings[0x0701] == 0


def test_an_adapter_that_can_only_smbus_is_refused_in_words(kernel):
    kernel.funcs = 0x0EFF0008
    with pytest.raises(BusError, match=r"/dev/i2c-1: .*only SMBus") as failure:
        i2c.connect(Options(bus=1), "adxl345")
    assert failure.value.reason is BusReason.UNSUPPORTED
    assert kernel.opened[0].fd == -1


def test_an_adapter_that_takes_one_read_at_a_time_gets_them_so(kernel, clock, adxl):
    kernel.chips = SimBus({0x53: adxl})
    kernel.one_read = True
    device = i2c.connect(Options(bus=1), "adxl345")
    clock.now += 10_000_000
    assert len(set(device.read_many(0x32, 6, 7))) > 5
    device.read_many(0x32, 6, 3)
    assert kernel.opened[0].sizes == [14, *[2] * 7, *[2] * 3]
    device.close()


def test_an_adapter_that_refuses_a_single_read_is_an_error(kernel, monkeypatch):
    monkeypatch.setattr("os.path.exists", lambda _: True)  # /dev/i2c-1 is there
    kernel.error = errno.EOPNOTSUPP
    device = i2c.connect(Options(bus=1), "adxl345")
    with pytest.raises(BusError, match="cannot do such a transfer") as failure:
        device.read(0x00, 200)
    assert failure.value.reason is BusReason.UNSUPPORTED


@pytest.mark.parametrize("number", [errno.EIO, errno.EOPNOTSUPP])
def test_an_unplugged_adapter_is_distinguished_from_an_aborted_transfer(
    kernel, tmp_path, number
):
    node = tmp_path / "i2c-7"
    node.touch()
    bus = KernelBus(str(node), 0x53)
    kernel.error = number  # as i2c-tiny-usb
    with pytest.raises(OSError, match=os.strerror(number)):
        bus.transfer(0x53, (b"\x00", 1))
    node.unlink()
    with pytest.raises(OSError, match="No such device"):
        bus.transfer(0x53, (b"\x00", 1))
    bus.close()


@pytest.mark.parametrize(
    ("took_s", "number"), [(0.001, errno.EIO), (0.1, errno.ETIMEDOUT)]
)
def test_a_transfer_that_breaks_off_late_has_timed_out(
    kernel, tmp_path, took_s, number
):
    node = tmp_path / "i2c-7"
    node.touch()
    now_s = itertools.count(0, took_s)
    bus = KernelBus(str(node), 0x53, lambda: next(now_s))
    kernel.error = errno.EIO
    with pytest.raises(OSError, match=os.strerror(number)):
        bus.transfer(0x53, (b"\x00", 1))
    bus.close()


def test_an_adapter_that_comes_back_is_found_by_a_new_start(kernel, clock, adxl):
    kernel.chips = SimBus({0x53: adxl})
    driver = Driver(Adxl345Options(bus=1), clock=clock)
    driver.start()
    kernel.error = errno.ENODEV
    with pytest.raises(BusError, match="plug its adapter in again") as failure:
        driver.read()
    assert failure.value.reason is BusReason.NO_ADAPTER
    assert kernel.opened[0].fd == -1, "the kernel waits for us to let go"
    driver.stop()
    kernel.error = None
    driver.start()
    clock.now += 20_000_000
    assert driver.read() is not None
    assert len(kernel.opened) == 2
    driver.stop()


def test_when_the_adapter_goes_everybody_on_the_bus_lets_go_of_it(kernel, adxl):
    kernel.chips = SimBus({0x53: adxl})
    often, seldom = (i2c.connect(Options(bus=1), "adxl345") for _ in range(2))
    other = i2c.connect(Options(bus=2), "adxl345")
    kernel.error = errno.ESHUTDOWN
    with pytest.raises(BusError, match="plug its adapter in again"):
        often.read(0x00, 1)
    assert [each.fd >= 0 for each in kernel.opened] == [False, False, True]
    kernel.error = None
    back = i2c.connect(Options(bus=1), "adxl345")
    with pytest.raises(BusError, match="plug its adapter in again"):
        seldom.read(0x00, 1)
    assert back.read(0x00, 1)
    assert other.read(0x00, 1)


@pytest.mark.parametrize(
    ("group", "cure"),
    [("bus", "the group bus that owns it"), ("root", "udev rule"), (None, "group ")],
)
def test_who_may_not_open_a_node_learns_whose_it_is(monkeypatch, tmp_path, group, cure):
    node = tmp_path / "i2c-1"
    node.touch()

    def deny(_path):
        raise PermissionError(errno.EACCES, "Permission denied")

    def named(_gid):
        if group is None:
            raise KeyError
        return SimpleNamespace(gr_name=group)

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("smbus2.SMBus", deny)
    monkeypatch.setattr("grp.getgrgid", named)
    with pytest.raises(BusError, match=f"{node} denied.*{cure}") as failure:
        i2c.connect(Options(bus=str(node)), "adxl345")
    assert failure.value.reason is BusReason.DENIED


@pytest.mark.skipif(Path("/dev/i2c-250").exists(), reason="there is a bus 250")
def test_an_absent_bus_is_reported_with_the_way_to_enable_it():
    with pytest.raises(BusError, match=r"0x53 on i2c-250.*raspi-config") as failure:
        i2c.connect(Options(bus=250), "adxl345")
    assert failure.value.errno == errno.ENOENT


@pytest.mark.parametrize("chip", ["adxl345", "mpu6050"])
def test_bus_sim_makes_the_chip_and_it_answers(chip):
    device: Registers = i2c.connect(Options(bus="sim"), chip)
    register, identity = (0x00, 0xE5) if chip == "adxl345" else (0x75, 0x68)
    assert device.read(register, 1) == bytes([identity])
    assert str(device) == f"{chip} at 0x53 on i2c-sim"
    device.close()


def test_sensors_on_one_bus_share_its_thread():
    assert Options(bus=3).thread == Options(bus=3, address=0x1D).thread == "i2c-3"
    assert Options(bus="sim").thread == "i2c-sim"
    assert Options(bus="/dev/i2c-3").thread == "i2c-3"
    assert Options(bus="usb:1-1.2").thread == "i2c-usb:1-1.2"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"bus": "smi"}, "bus"),
        ({"bus": -1}, "bus"),
        ({"bus": "usb:"}, "bus"),
        ({"bus": "spi0.0"}, "bus"),
        ({"mux": {"channel": 8}}, "mux.channel"),
        ({"mux": {"address": 0x53, "channel": 0}}, "mux.address"),
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
