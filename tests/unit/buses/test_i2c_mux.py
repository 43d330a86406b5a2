"""Multiplexers: the right chip answers, with as few bytes as possible."""

import errno
from pathlib import Path

import pytest

from sensorml.buses import i2c
from sensorml.buses import i2c_mux as mux
from sensorml.buses.i2c import I2cConnection, I2cOptions
from sensorml.buses.i2c_mux import Muxed, Muxes, MuxOptions
from sensorml.config import loading
from sensorml.drivers import adxl345, mpu6050
from sensorml.errors import BusError, BusReason, ConfigError
from sensorml.sim.chips import adxl345 as sim_adxl345
from sensorml.sim.chips import ina219 as sim_ina219
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.sim.mux import MuxedSimBus, SimMux


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class Bus:
    """Two multiplexers with chips of one address behind them, and one before."""

    def __init__(self):
        self.clock = Clock()
        self.chips = {
            place: sim_adxl345.Chip(Machine(MachineOptions()), self.clock, identity=i)
            for i, place in enumerate(((0x70, 0), (0x70, 7), (0x71, 0)), 0xA0)
        }
        self.front = sim_ina219.Chip()
        self.muxes = {
            switch: SimMux(
                {
                    channel: {0x53: chip}
                    for (address, channel), chip in self.chips.items()
                    if address == switch
                }
            )
            for switch in (0x70, 0x71)
        }
        self.wires = MuxedSimBus({0x40: self.front}, self.muxes)
        self.shared = Muxes()

    def device(self, address, channel):
        behind = MuxOptions(address=address, channel=channel)
        options = I2cOptions(bus="sim", address=0x53, mux=behind)
        return I2cConnection(
            Muxed(self.wires, self.shared, behind, options.thread), options, "adxl345"
        )

    @property
    def writes(self):
        return [switch.writes for switch in self.muxes.values()]


@pytest.fixture
def bus():
    return Bus()


def test_sensors_of_one_address_do_not_collide(bus):
    devices = {place: bus.device(*place) for place in bus.chips}
    for _ in range(3):
        for i, device in enumerate(devices.values(), 0xA0):
            assert device.read(0x00, 1) == bytes([i])


def test_two_of_one_address_would_answer_at_once(bus):
    for switch in bus.muxes.values():
        switch.mask = 0x01
    assert bus.wires.transfer(0x53, [b"\x00", 1]) == bytes([0xA0 & 0xA2])


def test_what_an_earlier_run_left_connected_is_let_go(bus):
    bus.muxes[0x70].mask = 0xFF
    bus.muxes[0x71].mask = 0xFF
    bus.device(0x70, 0)
    assert bus.device(0x71, 0).read(0x00, 1) == b"\xa2"
    assert [switch.mask for switch in bus.muxes.values()] == [0, 1]


def test_a_channel_is_selected_once_while_nothing_else_is(bus):
    device = bus.device(0x70, 7)
    for _ in range(5):
        device.read(0x00, 1)
        device.read_many(0x32, 6, 4)
    assert bus.writes == [1, 0]
    bus.wires.transfer(0x40, [b"\x00", 2])  # a chip in front changes nothing
    device.read(0x00, 1)
    assert bus.writes == [1, 0]


def test_no_chip_behind_a_multiplexer_answers_before_its_channel_is_selected(bus):
    with pytest.raises(OSError, match="Remote I/O"):
        bus.wires.transfer(0x53, [b"\x00", 1])
    assert bus.wires.transfer(0x70, [1]) == b"\0"


def test_a_multiplexer_that_lost_its_power_for_a_moment_is_set_again(bus):
    behind = MuxOptions(channel=7)
    options = adxl345.Options(bus="sim", mux=behind, rate_hz=800)
    driver = adxl345.Driver(options, lambda *_: bus.device(0x70, 7), bus.clock)
    driver.start()
    bus.clock.now += 20_000_000
    before = driver.read()
    bus.muxes[0x70].brown_out()
    bus.clock.now += 20_000_000
    after = driver.read()
    assert (
        len(before.samples) + len(after.samples) == bus.chips[0x70, 7].converter.taken
    )
    assert after.missed == 0


def test_after_any_error_the_selection_is_written_again(bus):
    device = bus.device(0x70, 0)
    device.read(0x00, 1)
    bus.chips[0x70, 0].hung = True
    with pytest.raises(BusError):
        device.read(0x00, 1)
    bus.chips[0x70, 0].hung = False
    bus.device(0x70, 0).read(0x00, 1)
    assert bus.writes == [2, 0]


def test_a_chip_that_is_absent_behind_a_multiplexer_is_named_with_it(bus):
    bus.chips[0x70, 7].absent = True
    place = r"adxl345 at 0x53 on i2c-sim behind multiplexer 0x70, channel 7: no chip"
    with pytest.raises(BusError, match=place) as failure:
        bus.device(0x70, 7).read(0x00, 1)
    assert failure.value.reason is BusReason.NOBODY


def test_a_multiplexer_that_does_not_answer_is_named_itself(bus):
    bus.muxes[0x71].absent = True
    with pytest.raises(
        BusError, match="multiplexer 0x71 on i2c-sim: no chip answers"
    ) as failure:
        bus.device(0x71, 0).read(0x00, 1)
    assert failure.value.errno == errno.EREMOTEIO


def test_a_multiplexer_that_hangs_costs_one_time_out(bus, monkeypatch):
    asked = []

    def time_out(address, _messages):
        asked.append(address)
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(bus.wires, "transfer", time_out)
    device = bus.device(0x70, 0)
    for _ in range(2):
        with pytest.raises(BusError) as failure:
            device.read(0x00, 1)
        assert failure.value.reason is BusReason.TIMED_OUT
    assert asked == [0x70]


def test_an_absent_multiplexer_does_not_disturb_another(bus):
    bus.device(0x71, 0)
    bus.muxes[0x71].absent = True
    assert bus.device(0x70, 0).read(0x00, 1) == b"\xa0"


def test_a_simulated_sensor_may_be_behind_a_multiplexer():
    options = adxl345.Options(bus="sim", mux=MuxOptions(address=0x74, channel=3))
    assert i2c.connect(options, "adxl345").read(0x00, 1) == b"\xe5"


class Opened:
    """A `KernelBus` of which the kernel holds an address."""

    def __init__(self, _node, _address):
        self.closed = False

    def claim(self, _address):
        raise OSError(errno.EBUSY, "Device or resource busy")

    def close(self):
        self.closed = True


def test_a_multiplexer_that_the_kernel_drives_has_buses_of_its_own(monkeypatch):
    kept = []
    monkeypatch.setattr(
        i2c, "KernelBus", lambda *of: kept.append(Opened(*of)) or kept[0]
    )
    options = mpu6050.Options(bus=1, mux=MuxOptions(channel=0))
    with pytest.raises(BusError, match=r"0x70 on i2c-1: .*remove mux") as failure:
        i2c.connect(options, "mpu6050")
    assert failure.value.reason is BusReason.HELD
    assert kept[0].closed


def test_sensors_of_one_bus_share_what_its_multiplexers_have_selected():
    assert mux.muxes("i2c-1") is mux.muxes("i2c-1")
    assert mux.muxes("i2c-1") is not mux.muxes("i2c-3")
    plain, behind = mpu6050.Options(), mpu6050.Options(mux=MuxOptions(channel=0))
    assert plain.thread == behind.thread == "i2c-1"


def sensors(*keys: str) -> str:
    """Write a `[[sensor]]` for each; an ADXL345 on bus 1 where nothing else is said."""
    return "".join(
        f'[[sensor]]\nname = "s{i}"\ndriver = "adxl345"\n{key}\n'
        for i, key in enumerate(keys)
    )


BEHIND = "mux = {{address = {}, channel = {}}}"


@pytest.mark.parametrize(
    ("keys", "clashes"),
    [
        ((BEHIND.format("0x70", 0), BEHIND.format("0x70", 1)), []),
        ((BEHIND.format("0x70", 0), BEHIND.format("0x71", 0)), []),
        (
            (BEHIND.format("0x70", 0), BEHIND.format("0x70", 0)),
            ["sensor[0].address", "sensor[1].address"],
        ),
        (("", BEHIND.format("0x70", 0)), ["sensor[0].address", "sensor[1].address"]),
        (("bus = 3", BEHIND.format("0x70", 0)), []),
        (
            ("address = 0x70", BEHIND.format("0x70", 0)),
            ["sensor[0].address", "sensor[1].mux.address"],
        ),
        (('bus = "spi0.0"', 'bus = "spi0.1"'), []),
        (('bus = "spi0.0"', 'bus = "spi0.0"'), ["sensor[0].bus", "sensor[1].bus"]),
        (
            ('bus = "usb:1-1.2"', 'bus = "usb:1-1.2"'),
            ["sensor[0].address", "sensor[1].address"],
        ),
        (('bus = "sim"', 'bus = "sim"'), []),
    ],
)
def test_a_place_has_one_chip(tmp_path: Path, keys, clashes):
    file = tmp_path / "c.toml"
    file.write_text(sensors(*keys))
    found = []
    try:
        loading.load(file)
    except ConfigError as err:
        [(_, key, _, cure)] = err.problems
        found = [key, cure.removesuffix(" uses it too, change one")]
    assert found == clashes
