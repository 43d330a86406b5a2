"""GPIO chips and their labels.

/sys/bus/gpio lists the chips without their labels. The label is in the older
/sys/class/gpio, where a chip's number is not that of /dev/gpiochipN but both
hang below the same device; a kernel built without that class gives it only
through the node (GPIO_GET_CHIPINFO_IOCTL of linux/gpio.h).
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sensorml.hardware.files import Tree

_CHIPINFO = 0x8044B401  # _IOR(0xB4, 0x01, struct gpiochip_info)
_CHIPINFO_LAYOUT = "32s32sI"  # name, label, lines


@dataclass(frozen=True, slots=True)
class GpioChip:
    """One GPIO controller. Its number changes between kernels, its label not."""

    name: str
    label: str
    """What the driver calls itself; "" when the kernel does not say."""
    lines: int | None
    usable: bool
    """Whether this process may open its node for reading and writing."""


def gpio_chips(tree: Tree) -> Iterator[GpioChip]:
    """List the chips that have a device file, by number."""
    known = dict(_labelled(tree))
    for name in tree.names("sys/bus/gpio/devices"):
        label, lines = known.get(name) or _ask(tree, f"dev/{name}")
        usable = tree.access(f"dev/{name}", os.R_OK | os.W_OK)
        yield GpioChip(name, label, lines, usable)


def _labelled(tree: Tree) -> Iterator[tuple[str, tuple[str, int | None]]]:
    base = "sys/class/gpio"
    for entry in tree.names(base):
        label = tree.text(f"{base}/{entry}/label")
        if not label:
            continue
        said = label, tree.integer(f"{base}/{entry}/ngpio")
        for sibling in tree.names(f"{base}/{entry}/device"):
            if sibling.startswith("gpiochip"):
                yield sibling, said


def _ask(tree: Tree, path: str) -> tuple[str, int | None]:
    if not tree.live:  # a copied node would be a device of this machine
        return "", None
    try:
        fd = os.open(f"/{path}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return "", None
    try:
        if not stat.S_ISCHR(os.fstat(fd).st_mode):
            return "", None
        raw = fcntl.ioctl(fd, _CHIPINFO, bytes(struct.calcsize(_CHIPINFO_LAYOUT)))
    except OSError:
        return "", None
    finally:
        os.close(fd)
    _, label, lines = struct.unpack(_CHIPINFO_LAYOUT, raw)
    return label.split(b"\0")[0].decode("utf-8", "replace"), int(lines)
