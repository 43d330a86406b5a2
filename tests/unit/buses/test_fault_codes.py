"""Failed transfers: each has its meaning, and costs the bus as little as possible."""

import errno
import os

import pytest

from sensorml.acquisition.bus_thread import SensorPoller
from sensorml.acquisition.inbox import Inbox, Started
from sensorml.buses.fault_codes import read_status
from sensorml.buses.i2c import I2cConnection, I2cOptions
from sensorml.drivers.adxl345 import Driver
from sensorml.drivers.adxl345 import Options as Adxl345Options
from sensorml.errors import BusError, BusReason
from sensorml.sim.bus import SimBus
from sensorml.sim.chips import adxl345
from sensorml.sim.machine import Machine, MachineOptions


class Options(I2cOptions, frozen=True, kw_only=True):
    address: int = 0x53


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def adxl(clock):
    return adxl345.Chip(Machine(MachineOptions()), clock)


class Failing:
    def __init__(self, number):
        self.number = number

    def transfer(self, address, messages):
        raise OSError(self.number, os.strerror(self.number))

    def close(self):
        pass


@pytest.mark.parametrize(
    ("number", "reason", "cure"),
    [
        (errno.ENXIO, "nobody", "check the wiring, the power and the address"),
        (errno.EREMOTEIO, "nobody", "check the wiring, the power and the address"),
        (errno.EIO, "broke_off", "power-cycle"),
        (errno.ETIMEDOUT, "timed_out", "power-cycle"),
        (errno.EAGAIN, "stuck", "check the pull-ups"),
        (errno.EBUSY, "held", "kernel driver"),
        (errno.EACCES, "denied", "group i2c"),
        (errno.EPERM, "denied", "--device"),
        (errno.ENODEV, "no_adapter", "adapter"),
        (errno.EOPNOTSUPP, "unsupported", "use another one"),
        (errno.EOVERFLOW, "other", "Value too large"),
    ],
)
def test_every_failure_keeps_its_errno_and_names_place_and_cure(number, reason, cure):
    device = I2cConnection(Failing(number), Options(bus="sim"), "adxl345")
    for transfer in (
        lambda: device.read(0, 1),
        lambda: device.read_many(0, 1, 40),
        lambda: device.write(0, b"\x00"),
    ):
        with pytest.raises(
            BusError, match=f"adxl345 at 0x53 on i2c-sim: .*{cure}"
        ) as failure:
            transfer()
        assert failure.value.errno == number
        assert failure.value.reason == reason


class Wire:
    """A bus that fails transfers by their number, from 0, and counts them."""

    def __init__(self, chips, failing=(), number=errno.EREMOTEIO):
        self.chips = SimBus(chips)
        self.failing = failing
        self.number = number
        self.sent = []

    def transfer(self, address, messages):
        self.sent.append((address, *messages))
        if len(self.sent) - 1 in self.failing:
            raise OSError(self.number, os.strerror(self.number))
        return self.chips.transfer(address, messages)

    def close(self):
        pass


def test_a_chip_that_still_answers_has_refused_a_byte(adxl):
    wire = Wire({0x53: adxl}, failing={0})
    device = I2cConnection(wire, Options(bus="sim"), "adxl345")
    with pytest.raises(BusError, match="aborted a transfer") as failure:
        device.read_many(0x32, 6, 3)
    assert failure.value.reason is BusReason.REFUSED
    # It is asked without taking a sample out of its FIFO.
    assert wire.sent[1:] == [(0x53, b"\x32")]


def test_a_refused_write_is_distinguished_from_an_absent_chip(adxl):
    device = I2cConnection(SimBus({0x53: adxl}), Options(bus="sim"), "adxl345")
    adxl.nack_at = 1
    with pytest.raises(BusError) as failure:
        device.write(0x2D, b"\x08")
    assert failure.value.reason is BusReason.REFUSED
    adxl.absent = True
    with pytest.raises(BusError) as failure:
        device.write(0x2D, b"\x08")
    assert failure.value.reason is BusReason.NOBODY


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.EIO, errno.EAGAIN])
def test_a_status_read_survives_one_glitch(adxl, number):
    wire = Wire({0x53: adxl}, failing={0}, number=number)
    assert (
        read_status(I2cConnection(wire, Options(bus="sim"), "adxl345"), 0x00) == b"\xe5"
    )


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT])
def test_a_status_read_is_repeated_once_and_never_after_a_time_out(adxl, number):
    wire = Wire({0x53: adxl}, failing=range(9), number=number)
    with pytest.raises(BusError):
        read_status(I2cConnection(wire, Options(bus="sim"), "adxl345"), 0x00)
    assert len(wire.sent) == (2 if number == errno.EIO else 1)


def test_samples_that_a_failed_read_took_are_missed_and_not_read_twice(adxl, clock):
    wire = Wire({0x53: adxl}, number=errno.EIO)
    driver = Driver(
        Adxl345Options(bus="sim"), lambda o, chip: I2cConnection(wire, o, chip), clock
    )
    poller, inbox = SensorPoller("motor", driver), Inbox()

    def visit(wait_s):
        clock.now += round(wait_s * 1e9)
        poller.visit(inbox, clock)
        return inbox.get(0).content

    visit(0)
    first = visit(0.02)
    wire.failing = {len(wire.sent) + 1}  # after the status
    assert visit(0.02).reason is BusReason.BROKE_OFF
    wire.failing = ()
    assert visit(0.5) == Started()  # again
    again = visit(0.02)
    assert again.missed == pytest.approx(0.52 * 800, abs=3)
    assert first.missed == 0


def test_a_chip_that_hangs_costs_one_time_out_an_attempt(adxl):
    wire = Wire({0x53: adxl})
    driver = Driver(
        Adxl345Options(bus="sim"), lambda o, chip: I2cConnection(wire, o, chip)
    )
    driver.start()
    adxl.hung = True
    before = len(wire.sent)
    with pytest.raises(BusError, match="holds the clock"):
        driver.read()
    driver.stop()
    assert len(wire.sent) == before + 1


def test_when_two_chips_time_out_in_a_row_the_bus_is_stuck(adxl):
    other = adxl345.Chip(Machine(MachineOptions()))
    bus = SimBus({0x53: adxl, 0x1D: other})

    def read(address):
        try:
            I2cConnection(bus, Options(bus=91, address=address), "adxl345").read(
                0x00, 1
            )
        except BusError as err:
            return err.reason
        return None

    adxl.hung = True
    assert read(0x53) is BusReason.TIMED_OUT
    assert read(0x1D) is None
    assert read(0x53) is BusReason.TIMED_OUT, "a chip answered in between"
    other.hung = True
    assert read(0x1D) is BusReason.STUCK
