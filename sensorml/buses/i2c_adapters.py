"""The device nodes of I2C adapters.

The kernel numbers adapters in the order in which it detects them, so the number of
an adapter on USB may change. Its USB port stays the same, and so does a link that a
udev rule makes.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Final

from sensorml.errors import BusError, BusReason, Reason

if TYPE_CHECKING:
    from sensorml.hardware.facts import Facts

ADAPTERS: Final = Path("/sys/bus/i2c/devices")

_PORT = re.compile(r"\d+-[1-9]\d*(\.[1-9]\d*)*")  # an I2C chip is 1-0053


def node(bus: int | str, adapters: Path = ADAPTERS) -> str:
    """Return the device node of a bus: N, "usb:PORT" or a path under /dev.

    Raises:
        BusError: that port has no adapter, or more than one.
    """
    if isinstance(bus, int):
        return f"/dev/i2c-{bus}"
    if not bus.startswith("usb:"):
        return bus
    ports = {each.name: _port(each) for each in sorted(adapters.glob("i2c-*"))}
    found = [name for name, port in ports.items() if port == bus.removeprefix("usb:")]
    if len(found) == 1:
        return f"/dev/{found[0]}"
    if found:
        raise BusError(
            errno.ENODEV,
            f"{bus}: {' and '.join(found)} are on that port: make a link with a "
            'udev rule and write bus = "/dev/LINK"',
            reason=BusReason.NO_ADAPTER,
        )
    in_use = ", ".join(f"usb:{port}" for port in ports.values() if port)
    others = f"only on {in_use}" if in_use else "nor on any other"
    raise BusError(
        errno.ENODEV,
        f"{bus}: there is no I2C adapter on that port, {others}: plug it in there, or "
        "correct bus",
        reason=BusReason.NO_ADAPTER,
    )


def bus_name(bus: int | str) -> str:
    """Return the canonical name of a bus, without access to hardware.

    >>> bus_name(1), bus_name("/dev//i2c-1"), bus_name("usb:1-1.2")
    ('i2c-1', 'i2c-1', 'i2c-usb:1-1.2')
    """
    name = normpath(str(bus)).removeprefix("/dev/")
    return name if name.startswith("i2c-") else f"i2c-{name}"


def address_name(address: int, bus: str) -> str:
    """Return the name of an address, for messages and for `buses.ownership`.

    >>> address_name(0x53, "i2c-1")
    'address 0x53 on i2c-1'
    """
    return f"address {address:#04x} on {bus}"


def real_name(bus: int | str) -> str:
    """Return the kernel's name of a bus, "i2c-1", also for a port or a link.

    Raises:
        BusError: as `node`.
    """
    return Path(node(bus)).resolve().name


def why_missing(bus: int | str, facts: Facts) -> Reason | None:
    """Return why a machine does not have an I2C bus, or None when it has."""
    try:
        path = node(bus, Path(facts.root, "sys/bus/i2c/devices"))
    except BusError as err:
        return Reason(str(err))
    real = Path(facts.root, path.removeprefix("/")).resolve()  # it may be a link
    present = {f"i2c-{adapter.bus}": adapter for adapter in facts.i2c}
    if real.name not in present:
        name = f"i2c-{bus}" if isinstance(bus, int) else bus
        return absent(name, present, "enable I2C (raspi-config), plug its adapter in")
    if not present[real.name].node.exists:
        cure = "load the module i2c-dev (sudo modprobe i2c-dev, and in /etc/modules)"
        return Reason(f"{real.name} is there, but not /dev/{real.name}", cure)
    return None


def absent(bus: str, present: Iterable[str], cure: str) -> Reason:
    """Return the reason for a bus that a machine does not have."""
    others = ", ".join(present)
    only = f"only {others}" if others else "nor any other"
    return Reason(
        f"there is no {bus} on this machine, {only}", f"{cure}, or correct bus"
    )


def _port(adapter: Path) -> str:
    """Return the USB port of an adapter, "" when it is not on USB.

    The path contains the ports of hubs, too; the last port is the adapter's.
    """
    parts = adapter.resolve().parts
    return next((part for part in reversed(parts) if _PORT.fullmatch(part)), "")
