"""Reset a USB device that hangs, as if it had been unplugged.

Source: the Linux kernel, include/uapi/linux/usbdevice_fs.h.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from typing import Final

USBDEVFS_RESET: Final = 0x5514  # _IO('U', 20)


def reset(node: str, ioctl: Callable[[int, int], object] = fcntl.ioctl) -> str | None:
    """Reset the device behind /dev/bus/usb/BBB/DDD; say why not, or return None.

    It may come back with another number.
    """
    try:
        fd = os.open(node, os.O_WRONLY)
    except OSError as err:
        return f"{node} was not reset: {err.strerror}"
    try:
        ioctl(fd, USBDEVFS_RESET)
    except OSError as err:
        return f"{node} was not reset: {err.strerror}"
    finally:
        os.close(fd)
    return None
