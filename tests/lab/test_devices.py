"""The lab's own devices: adapter, header and USB devices under the kernel."""

import errno
from pathlib import Path

import pytest
import smbus2
from adapter import Adapter, plugged, wait_for
from header import Header
from usb import Coral, CoralBeforeFirmware

from sensorml.sim.chips import adxl345
from sensorml.sim.machine import Machine, MachineOptions


@pytest.fixture
def bus():
    adapter = Adapter({0x53: adxl345.Chip(Machine(MachineOptions()))})
    with plugged(adapter):
        yield adapter


def test_the_adapter_has_the_functions_of_a_raspberry_pis(bus):
    with smbus2.SMBus(1) as i2c:
        assert int(i2c.funcs) == 0x0EFF0009


def test_a_chip_answers_and_an_empty_address_does_not(bus):
    with smbus2.SMBus(1) as i2c:
        assert i2c.read_byte_data(0x53, 0x00) == 0xE5
        with pytest.raises(OSError, match=f"Errno {errno.ENXIO}"):
            i2c.read_byte_data(0x1D, 0x00)


def test_a_stuck_line_fails_every_transfer_until_it_is_released(bus):
    with smbus2.SMBus(1) as i2c:
        bus.stuck = True
        with pytest.raises(OSError, match=f"Errno {errno.EIO}"):
            i2c.read_byte_data(0x53, 0x00)
        bus.stuck = False
        assert i2c.read_byte_data(0x53, 0x00) == 0xE5


def test_an_adapter_can_be_unplugged_and_plugged_in_again(bus):
    bus.unplug()
    wait_for(lambda: not Path("/dev/i2c-1").exists())
    bus.plug()
    wait_for(Path("/dev/i2c-1").exists)
    with smbus2.SMBus(1) as i2c:
        assert i2c.read_byte_data(0x53, 0x00) == 0xE5


@pytest.mark.parametrize("stick", [Coral, CoralBeforeFirmware])
def test_an_edge_tpu_shows_its_usb_ids(stick):
    device = stick()
    device.plug()
    vendor = f"{device.vendor:04x}"
    devices = Path("/sys/bus/usb/devices")
    wait_for(
        lambda: any(p.read_text().strip() == vendor for p in devices.glob("*/idVendor"))
    )
    device.unplug()


def test_a_line_of_the_header_can_be_driven_and_read():
    header = Header()
    import lgpio

    chip = lgpio.gpiochip_open(int(header.chip.removeprefix("gpiochip")))
    lgpio.gpio_claim_output(chip, 17, 1)
    assert header.level(17)
    lgpio.gpio_claim_input(chip, 27)
    header.drive(27, high=True)
    assert lgpio.gpio_read(chip, 27) == 1
    lgpio.gpiochip_close(chip)
    header.close()
