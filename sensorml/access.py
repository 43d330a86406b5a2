"""The reason why a device node may not be opened, and the cure that fits it."""

from __future__ import annotations

import errno
import grp
import os

from sensorml.errors import Reason


def denial(number: int, node: str) -> Reason:
    """Return the reason of an EACCES or EPERM at the opening of a node.

    The permissions of the node give EACCES, also to the wrong group. EPERM comes
    from the list of devices of a container or a unit, also for root.

    >>> print(denial(errno.EPERM, "/dev/i2c-1"))  # doctest: +NORMALIZE_WHITESPACE
    access to /dev/i2c-1 is forbidden by a container or unit: start the container with
    --device /dev/i2c-1, or add DeviceAllow=/dev/i2c-1 rw to the unit
    """
    if number == errno.EPERM:
        return Reason(
            f"access to {node} is forbidden by a container or unit",
            f"start the container with --device {node}, or add "
            f"DeviceAllow={node} rw to the unit",
        )
    if os.geteuid() == 0:
        return Reason(
            f"access to {node} denied, although this is root",
            "a container or a security module restricts root: start the container "
            f"with --device {node}, or look for the refusal in the kernel log (dmesg)",
        )
    group = _group(node)
    if not group:
        return Reason(f"access to {node} denied", "check its group and permissions")
    if group == "root":
        return Reason(
            f"access to {node} denied, only root may use it",
            "install a udev rule that gives it to a group (systemd/60-sensorml.rules)",
        )
    return Reason(
        f"access to {node} denied",
        f"add the user to the group {group} that owns it (sudo usermod -aG {group} "
        "USER) and log in again",
    )


def is_forbidden(node: str) -> bool:
    """Return whether a container or a unit forbids this process to open a node."""
    try:
        os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as err:
        return err.errno == errno.EPERM
    return False


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
