"""Adapters whose number changes are found by their USB port."""

import pytest

from sensorml.buses import i2c_adapters as adapters
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
