"""What a failed transfer means, and what follows from it.

The kernel's Documentation/i2c/fault-codes.rst says what an errno should mean;
this is what the sources of the adapters' drivers return:

                          bcm2835     designware
                          (to Pi 4)   (Pi 5)      i2c-gpio    tiny-usb
address not acknowledged  EREMOTEIO   EREMOTEIO   ENXIO       ENXIO
a byte not acknowledged   EREMOTEIO   EREMOTEIO   EIO
a chip holds the clock    EIO, later  ETIMEDOUT   ETIMEDOUT   EIO
                          ETIMEDOUT
arbitration lost                      EAGAIN
unplugged while open                                          EIO or
                                                              EOPNOTSUPP
two reads in a transfer   EOPNOTSUPP  works       works       works

What is done about it:

- The kernel repeats nothing (see `i2cdev`). `read_status` repeats a read
  that changes nothing in the chip, once. A read that takes data out is never
  repeated: what it took is gone. It fails, the sensor is started again with
  back-off (`bus_thread.SensorPoller`), and the rows in between count as missed.
- An EIO that comes late is a time-out (`i2cdev`).
- After a time-out, or without its adapter, a connection is dead: what is asked
  of it fails without a transfer until the driver has connected anew. So a chip
  that hangs costs its neighbours one time-out an attempt. Without the adapter
  all connections on the bus are.
- A line that is held low can be freed by clocking SCL. Adapters with bus recovery
  do that in the kernel; nobody can from here.
"""

from __future__ import annotations

import errno
import grp
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sensorml.errors import BusError, BusReason

if TYPE_CHECKING:
    from sensorml.interfaces import Registers


class Meaning(NamedTuple):
    """Of an errno."""

    reason: BusReason
    sentence: str
    """What it is and the cure."""


Meanings: TypeAlias = Mapping[int, Meaning]

_NOBODY = Meaning(
    BusReason.NOBODY,
    "nobody answers there: check the wiring, the power and the address",
)
_GONE = Meaning(
    BusReason.NO_ADAPTER,
    "the bus is gone: plug its adapter in again; the sensor then starts by itself",
)
_DENIED = Meaning(
    BusReason.DENIED,
    "access denied: add the user to the group i2c (sudo usermod -aG i2c USER) and "
    "log in again",
)
REFUSED: Final = Meaning(
    BusReason.REFUSED,
    "the chip answers, but broke a transfer off: check the pull-ups and the length "
    "of the wires, lower the bus speed",
)
STUCK: Final = Meaning(
    BusReason.STUCK,
    "the bus hangs for every chip on it: one of them holds a line low, power-cycle "
    "them all, then unplug one after the other",
)

I2C_MEANINGS: Final[Meanings] = {
    errno.ENXIO: _NOBODY,
    errno.EREMOTEIO: _NOBODY,
    errno.EIO: Meaning(
        BusReason.BROKE_OFF,
        "the transfer broke off: power-cycle the sensor, check the pull-ups, lower "
        "the bus speed",
    ),
    errno.ETIMEDOUT: Meaning(
        BusReason.TIMED_OUT,
        "it holds the clock for too long, or a line is held low: power-cycle the "
        "sensor, check the pull-ups, lower the bus speed",
    ),
    errno.EAGAIN: Meaning(
        BusReason.STUCK,
        "the adapter lost the bus: another master is on it, or a line is held low; "
        "check the pull-ups, power-cycle what is on the bus",
    ),
    errno.EBUSY: Meaning(
        BusReason.HELD,
        "a kernel driver holds that address: remove its dtoverlay from config.txt "
        "or unbind it",
    ),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.ENOENT: Meaning(
        BusReason.NO_ADAPTER,
        "there is no such bus: enable I2C (raspi-config), plug its adapter in, or "
        "correct bus",
    ),
    errno.ENODEV: _GONE,
    errno.ESHUTDOWN: _GONE,
    errno.EOPNOTSUPP: Meaning(
        BusReason.UNSUPPORTED,
        "the adapter cannot do such a transfer: use another one",
    ),
}

GONE: Final = {errno.ENODEV, errno.ESHUTDOWN}
"""The adapter is no longer there: no connection on the bus survives it."""
DEAD: Final = {errno.ETIMEDOUT, *GONE}
"""What a connection does not survive."""

_GLITCHES = {BusReason.REFUSED, BusReason.BROKE_OFF, BusReason.STUCK}


def explained(
    err: OSError,
    where: str,
    meanings: Meanings = I2C_MEANINGS,
    *,
    node: str = "",
    known: Meaning | None = None,
) -> BusError:
    """Say what an errno means here, and what to do.

    Args:
        err: As the kernel gave it.
        where: The chip and its bus, for people.
        meanings: Of the errnos of such a bus.
        node: The device that was to be opened, to name who may.
        known: What it means, where more than the errno tells.
    """
    reason, sentence = known or meanings.get(
        err.errno or 0, Meaning(BusReason.OTHER, f"{err.strerror}: check the wiring")
    )
    if reason is BusReason.DENIED and (group := _group(node)):
        sentence = _denied(node, group)
    return BusError(err.errno, f"{where}: {sentence}", reason=reason)


def read_status(bus: Registers, register: int, length: int = 1) -> bytes:
    """Read a register whose reading changes nothing, once more after a glitch."""
    try:
        return bus.read(register, length)
    except BusError as err:
        if err.reason not in _GLITCHES:
            raise
        return bus.read(register, length)


def _group(node: str) -> str:
    """Return the group that owns a device, "" when there is no such device."""
    try:
        number = os.stat(node).st_gid  # noqa: PTH116 - a link is followed
    except OSError:
        return ""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _denied(node: str, group: str) -> str:
    if group == "root":
        return (
            f"access to {node} denied, it is root's alone: install a udev rule that "
            "gives it to a group (systemd/60-sensorml.rules)"
        )
    return (
        f"access to {node} denied: add the user to the group {group} that owns it "
        f"(sudo usermod -aG {group} USER) and log in again"
    )
