"""Devices on USB, PCI, I2C, SPI and 1-Wire, and the accelerators among them.

Sources: Documentation/ABI of the Linux kernel for sysfs; the gasket driver for
/sys/class/apex, which gives temperatures in thousandths of a degree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sensorml.hardware.tree import Tree, parse_decimal, parse_int

ACCELERATORS: Final = {
    "dev": ("galcore", "ethosu", "mali"),
    "dev/accel": ("accel",),
    "dev/dri": ("renderD",),
}
"""Folders of /dev, and the prefixes of accelerators' nodes there: Vivante's and Arm's
own drivers, the kernel's accel and DRM subsystems."""


@dataclass(frozen=True, slots=True)
class Node:
    """A device file, and the access of this process to it."""

    path: str
    exists: bool
    readable: bool
    writable: bool

    @classmethod
    def at(cls, tree: Tree, path: str) -> Node:
        return cls(
            f"/{path}",
            tree.access(path, os.F_OK),
            tree.access(path, os.R_OK),
            tree.access(path, os.W_OK),
        )


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One device on USB; `id` is vendor:product in hexadecimal."""

    id: str
    port: str
    """The kernel's name of its port: bus-port.port…"""
    bus: int
    device: int
    speed_mbps: float | None
    """480 is USB 2, 5000 and up USB 3."""
    product: str
    node: Node
    claimed: bool = False
    """True while a process uses it through libusb: opening it would reset it."""


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One device on PCI; `id` is vendor:device in hexadecimal."""

    id: str
    slot: str
    link_gtps: float | None = None
    """Giga-transfers per second and lane, as trained: 2.5 is the slowest, PCIe 1."""
    link_lanes: int | None = None


@dataclass(frozen=True, slots=True)
class Apex:
    """One Edge TPU on PCIe, as reported by the gasket driver."""

    name: str
    node: Node
    temp_c: float | None
    """-89.7 without a link, because all bits of the register then read as one."""
    status: str
    owned: bool
    owner: int | None
    """The process that has it open."""
    trip_points_c: tuple[float, ...]
    """The temperatures at which the clock is halved, once more at each."""


@dataclass(frozen=True, slots=True)
class I2cAdapter:
    """One I2C bus, with or without a node in /dev."""

    bus: int
    name: str
    node: Node


@dataclass(frozen=True, slots=True)
class OneWireMaster:
    """One 1-Wire bus, and the ids of the DS18B20 on it."""

    name: str
    thermometers: tuple[str, ...]
    bulk: Node
    """The file that starts a conversion of all thermometers at once."""


def usb(tree: Tree) -> Iterator[UsbDevice]:
    ports = tree.names("sys/bus/usb/devices")
    # usb/core/devio.c: an interface that a program claims is bound to "usbfs".
    claimed = {
        interface.partition(":")[0]
        for interface in ports
        if ":" in interface
        and tree.target(f"sys/bus/usb/devices/{interface}/driver") == "usbfs"
    }
    for port in ports:
        at = f"sys/bus/usb/devices/{port}"
        ids = [tree.text(f"{at}/{name}").lower() for name in ("idVendor", "idProduct")]
        bus, device = (tree.integer(f"{at}/{name}") for name in ("busnum", "devnum"))
        if not all(ids) or bus is None or device is None:  # an interface
            continue
        yield UsbDevice(
            id=":".join(ids),
            port=port,
            bus=bus,
            device=device,
            speed_mbps=parse_decimal(tree.text(f"{at}/speed")),
            product=tree.text(f"{at}/product"),
            node=Node.at(tree, f"dev/bus/usb/{bus:03d}/{device:03d}"),
            claimed=port in claimed,
        )


def pci(tree: Tree) -> Iterator[PciDevice]:
    for slot in tree.names("sys/bus/pci/devices"):
        at = f"sys/bus/pci/devices/{slot}"
        ids = [tree.text(f"{at}/{n}").removeprefix("0x") for n in ("vendor", "device")]
        if all(ids):
            yield PciDevice(
                id=":".join(ids).lower(),
                slot=slot,
                # "5.0 GT/s PCIe", or "Unknown"; neither file without a link
                link_gtps=parse_decimal(
                    tree.text(f"{at}/current_link_speed").partition(" ")[0]
                ),
                link_lanes=tree.integer(f"{at}/current_link_width") or None,
            )


def apex(tree: Tree) -> Iterator[Apex]:
    for name in tree.names("sys/class/apex"):
        at = f"sys/class/apex/{name}"
        trips = [celsius(tree, f"{at}/trip_point{i}_temp") for i in range(3)]
        yield Apex(
            name=name,
            node=Node.at(tree, f"dev/{name}"),
            temp_c=celsius(tree, f"{at}/temp"),
            status=tree.text(f"{at}/status"),
            owned=tree.integer(f"{at}/is_device_owned") == 1,
            owner=tree.integer(f"{at}/device_owner") or None,
            trip_points_c=tuple(trip for trip in trips if trip is not None),
        )


def i2c(tree: Tree) -> Iterator[I2cAdapter]:
    for adapter in tree.names("sys/bus/i2c/devices"):
        bus = parse_int(adapter.removeprefix("i2c-"))
        if bus is not None and adapter == f"i2c-{bus}":
            name = tree.text(f"sys/bus/i2c/devices/{adapter}/name")
            yield I2cAdapter(bus, name, Node.at(tree, f"dev/{adapter}"))


def one_wire(tree: Tree) -> Iterator[OneWireMaster]:
    for name in tree.names("sys/bus/w1/devices"):
        at = f"sys/bus/w1/devices/{name}"
        if name.startswith("w1_bus_master"):
            found = tuple(each for each in tree.names(at) if each.startswith("28-"))
            yield OneWireMaster(name, found, Node.at(tree, f"{at}/therm_bulk_read"))


def spi(tree: Tree) -> Iterator[Node]:
    """List the chip selects that processes can use: devices bound to spidev."""
    for name in tree.names("sys/class/spidev"):
        yield Node.at(tree, f"dev/{name}")


def accelerators(tree: Tree) -> Iterator[Node]:
    """List the nodes of accelerators that are on neither USB nor PCI."""
    for folder, beginnings in ACCELERATORS.items():
        for name in tree.names(folder):
            if name.rstrip("0123456789") in beginnings:
                yield Node.at(tree, f"{folder}/{name}")


def celsius(tree: Tree, path: str) -> float | None:
    value = tree.integer(path)
    return None if value is None else value / 1000
