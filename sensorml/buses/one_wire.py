"""1-Wire buses of the kernel: one conversion for all DS18B20 on a bus.

Source: Documentation/w1/slaves/w1_therm.rst of the kernel (`therm_bulk_read`, since
Linux 5.9: the write of `trigger` returns after the longest conversion, and the next
read of each `temperature` then returns its result without a conversion of its own;
without a trigger each read converts).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sensorml.buses import sysfs
from sensorml.errors import Reason


class Master:
    """One bus; its thermometers share one thread, and so this."""

    def __init__(self, folder: Path) -> None:
        self._bulk = folder / "therm_bulk_read"
        self._unread: dict[Path, int | None] = {}
        """The time of each thermometer's conversion, until that is read."""
        self._warned = False

    def join(self, device: Path) -> str:
        """Add a thermometer; return a warning, once, if it must wait for the others."""
        self._unread[device] = None
        if len(self._unread) < 2 or self._warned or os.access(self._bulk, os.W_OK):
            return ""
        self._warned = True
        return str(apart(str(self._bulk)))

    def leave(self, device: Path) -> None:
        self._unread.pop(device, None)
        self._warned = self._warned and bool(self._unread)

    def convert(self, device: Path, fresh_ns: int, clock: Callable[[], int]) -> None:
        """Have all measure, unless this one has a result that is not read yet.

        It returns after the measurement. Where all cannot measure at once, it does
        nothing, and the read measures.

        Args:
            device: The thermometer that is read next.
            fresh_ns: The greatest age of a conversion that is of use.
            clock: The monotonic clock.

        Raises:
            BusError: it could not be started.
        """
        if len(self._unread) < 2 or not os.access(self._bulk, os.W_OK):
            return
        at_ns = self._unread[device]
        if at_ns is None or clock() - at_ns > fresh_ns:
            sysfs.write(self._bulk, "trigger")
            at_ns = clock()
            self._unread = dict.fromkeys(self._unread, at_ns)
        self._unread[device] = None


def apart(bulk: str) -> Reason:
    """Return the reason for conversions one after another, and its cure."""
    return Reason(
        f"{bulk} cannot be written, so its DS18B20 measure one after another, for up "
        "to 0.75 s each",
        "install systemd/60-sensorml.rules and write ReadWritePaths=/sys/devices in "
        "the unit; it needs Linux 5.9 or later",
    )


@cache
def master_of(device: Path) -> Master:
    """Return the bus of a device, the folder that holds the device's own."""
    return _master(device.resolve().parent)


@cache
def _master(folder: Path) -> Master:
    return Master(folder)
