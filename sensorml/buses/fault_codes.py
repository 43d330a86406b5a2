"""The meaning of failed transfers, and the reaction to them.

The kernel's Documentation/i2c/fault-codes.rst defines what an errno should mean.
The drivers of the adapters return, according to their sources:

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

The reaction:

- The kernel repeats no transfer (see `i2c_dev`). `read_status` repeats a read
  that changes nothing in the chip, once. A read that takes data out of the chip is
  never repeated, because those data are lost. It fails, the sensor is started again
  with back-off (`acquisition.bus_thread`), and the rows in between count as missed.
- An EIO that comes late is a time-out (`i2c_dev`).
- After a time-out, or without its adapter, a connection is lost: every call fails
  without a transfer until the driver opens a new one. So a chip that hangs costs its
  neighbours one time-out per attempt. Without the adapter all connections on the bus
  are lost.
- A line that is held low can be freed by clocking SCL. Adapters with bus recovery
  do that in the kernel; it is impossible from user space.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sensorml.access import denial
from sensorml.errors import BusError, BusReason

if TYPE_CHECKING:
    from sensorml.interfaces import Registers


class Meaning(NamedTuple):
    """The meaning of an errno."""

    reason: BusReason
    sentence: str
    """The failure and its cure."""


Meanings: TypeAlias = Mapping[int, Meaning]

_NOBODY = Meaning(
    BusReason.NOBODY,
    "no chip answers: check the wiring, the power and the address",
)
_GONE = Meaning(
    BusReason.NO_ADAPTER,
    "the bus has disappeared: plug its adapter in again, the sensor then restarts",
)
_DENIED = Meaning(
    BusReason.DENIED,
    "access denied: add the user to the group i2c (sudo usermod -aG i2c USER) and "
    "log in again",
)
FORBIDDEN: Final = Meaning(
    BusReason.DENIED,
    "a container or unit forbids the access: start the container with --device, or "
    "add DeviceAllow= to the unit",
)
REFUSED: Final = Meaning(
    BusReason.REFUSED,
    "the chip answers, but aborted a transfer: check the pull-ups and the length "
    "of the wires, lower the bus speed",
)
STUCK: Final = Meaning(
    BusReason.STUCK,
    "no chip on the bus answers: one of them holds a line low, power-cycle all of "
    "them, then unplug one after the other",
)

I2C_MEANINGS: Final[Meanings] = {
    errno.ENXIO: _NOBODY,
    errno.EREMOTEIO: _NOBODY,
    errno.EIO: Meaning(
        BusReason.BROKE_OFF,
        "the transfer was aborted: power-cycle the sensor, check the pull-ups, lower "
        "the bus speed",
    ),
    errno.ETIMEDOUT: Meaning(
        BusReason.TIMED_OUT,
        "the chip holds the clock for too long, or a line is held low: power-cycle "
        "the sensor, check the pull-ups, lower the bus speed",
    ),
    errno.EAGAIN: Meaning(
        BusReason.STUCK,
        "the adapter lost the arbitration: remove any other master, check the "
        "pull-ups, power-cycle the chips on the bus",
    ),
    errno.EBUSY: Meaning(
        BusReason.HELD,
        "a kernel driver uses that address: remove its dtoverlay from config.txt, or "
        "unbind the driver",
    ),
    errno.EACCES: _DENIED,
    errno.EPERM: FORBIDDEN,
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
"""The adapter has disappeared, so all connections on its bus are lost."""
DEAD: Final = {errno.ETIMEDOUT, *GONE}
"""Errors after which a connection is lost."""

_GLITCHES = {BusReason.REFUSED, BusReason.BROKE_OFF, BusReason.STUCK}


def explained(
    err: OSError,
    where: str,
    meanings: Meanings = I2C_MEANINGS,
    *,
    node: str = "",
    meaning: Meaning | None = None,
) -> BusError:
    """Return a BusError with the meaning of an errno, and the cure.

    Args:
        err: the error of the kernel.
        where: the chip and its bus, for messages.
        meanings: the meanings of errnos on such a bus.
        node: the device node that could not be opened.
        meaning: the meaning, where it follows from more than the errno.
    """
    reason, sentence = meaning or meanings.get(
        err.errno or 0, Meaning(BusReason.OTHER, f"{err.strerror}: check the wiring")
    )
    if reason is BusReason.DENIED and node:
        sentence = str(denial(err.errno or errno.EACCES, node))
    return BusError(err.errno, f"{where}: {sentence}", reason=reason)


def read_status(bus: Registers, register: int, length: int = 1) -> bytes:
    """Read a register without side effects; repeat it once after a glitch."""
    try:
        return bus.read(register, length)
    except BusError as err:
        if err.reason not in _GLITCHES:
            raise
        return bus.read(register, length)
