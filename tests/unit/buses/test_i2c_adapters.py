"""Adapters whose number changes are found by their USB port."""

import pytest

from sensorml.buses import i2c_adapters as adapters
from sensorml.buses.i2c import I2cOptions
from sensorml.buses.i2c_mux import MuxOptions
from sensorml.errors import BusError, BusReason


def usb(folder, number, port, where="pci0000:00/usb1"):
    """Plug an adapter in: what sysfs then shows."""
    device = folder / "devices" / where / port / f"{port}:1.0" / f"i2c-{number}"
    device.mkdir(parents=True)
    (folder / f"i2c-{number}").symlink_to(device)


def test_an_adapter_is_found_by_its_port_whatever_its_number(tmp_path):
    usb(tmp_path, 3, "1-1.2", "usb1/1-1")
    usb(tmp_path, 4, "1-1.3", "usb1/1-1")
    soc = tmp_path / "devices/soc/fe804000.i2c/i2c-1"
    behind = soc / "1-0070/channel-0/i2c-5"  # a multiplexer that the kernel drives
    behind.mkdir(parents=True)
    (tmp_path / "i2c-1").symlink_to(soc)
    (tmp_path / "i2c-5").symlink_to(behind)
    assert adapters.node("usb:1-1.3", tmp_path) == "/dev/i2c-4"
    (tmp_path / "i2c-4").rename(tmp_path / "i2c-9")
    assert adapters.node("usb:1-1.3", tmp_path) == "/dev/i2c-9"
    for port in ("1-1", "1-70"):
        with pytest.raises(
            BusError, match=r"only on usb:1-1\.2, usb:1-1\.3"
        ) as failure:
            adapters.node(f"usb:{port}", tmp_path)
        assert failure.value.reason is BusReason.NO_ADAPTER


def test_two_adapters_on_one_port_need_a_link(tmp_path):
    usb(tmp_path, 3, "1-1.2")
    usb(tmp_path, 4, "1-1.2")
    with pytest.raises(BusError, match=r"i2c-3 and i2c-4.*udev rule"):
        adapters.node("usb:1-1.2", tmp_path)


def test_a_number_and_a_link_are_nodes_by_themselves():
    assert adapters.node(7) == "/dev/i2c-7"
    assert adapters.node("/dev/i2c-motor") == "/dev/i2c-motor"


def test_a_link_and_the_number_of_a_bus_are_the_same_owner(tmp_path):
    (tmp_path / "i2c-motor").symlink_to("i2c-1")
    by_link = I2cOptions(bus=str(tmp_path / "i2c-motor"), address=0x53)
    by_number = I2cOptions(bus=1, address=0x53)
    assert by_link.held() == by_number.held() == ["address 0x53 on i2c-1"]


def test_the_address_behind_a_multiplexer_has_the_owner_of_the_multiplexer_too():
    options = I2cOptions(bus=1, address=0x53, mux=MuxOptions(channel=2))
    assert options.held() == ["address 0x53 on i2c-1", "address 0x70 on i2c-1"]


def test_a_simulated_chip_has_no_owner():
    assert I2cOptions(bus="sim", address=0x53).held() == []
