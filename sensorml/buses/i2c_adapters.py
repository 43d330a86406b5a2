"""Which device node an I2C bus has just now.

The kernel numbers adapters in the order in which it meets them: one on USB may
come back under another number. The USB port it is plugged into stays the same,
and so does a link that a udev rule makes.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Final

from sensorml.errors import BusError, BusReason

ADAPTERS: Final = Path("/sys/bus/i2c/devices")

_PORT = re.compile(r"\d+-[1-9]\d*(\.[1-9]\d*)*")  # an I2C chip is 1-0053


def node(bus: int | str, adapters: Path = ADAPTERS) -> str:
    """Return the device node of a bus: N, "usb:PORT" or a path under /dev.

    Raises:
        BusError: no adapter, or more than one, is plugged into that port.
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
            f"{bus}: {' and '.join(found)} are plugged in there: make a link with a "
            'udev rule and write bus = "/dev/LINK"',
            reason=BusReason.NO_ADAPTER,
        )
    there = ", ".join(f"usb:{port}" for port in ports.values() if port)
    others = f"but on {there}" if there else "nor on any other"
    raise BusError(
        errno.ENODEV,
        f"{bus}: there is no I2C adapter on that port, {others}: plug it in there, or "
        "correct bus",
        reason=BusReason.NO_ADAPTER,
    )


def _port(adapter: Path) -> str:
    """Return the USB port an adapter is plugged into, "" when it is not on USB.

    Hubs are ports on the way to it: the last one counts.
    """
    parts = adapter.resolve().parts
    return next((part for part in reversed(parts) if _PORT.fullmatch(part)), "")
