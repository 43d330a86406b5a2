"""GPIO chips, their labels, and the holders of their lines.

/sys/bus/gpio lists the chips without their labels. The label is in the older
/sys/class/gpio, where a chip has another number than /dev/gpiochipN, but the same
parent device. A kernel without that class gives the label only through the node
(GPIO_GET_CHIPINFO_IOCTL of linux/gpio.h). The holder of a line is available only
through the node (GPIO_V2_GET_LINEINFO_IOCTL, since Linux 5.10), without a claim.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sensorml.hardware.tree import Tree

_CHIPINFO = 0x8044B401  # _IOR(0xB4, 0x01, struct gpiochip_info)
_CHIPINFO_LAYOUT = struct.Struct("32s32sI")  # name, label, lines
_LINEINFO = 0xC100B405  # _IOWR(0xB4, 0x05, struct gpio_v2_line_info)
_LINEINFO_LAYOUT = struct.Struct("=32s32sI4xQ176x")
"""name, consumer, offset, flags; then attributes and reserved bytes."""
_USED = 1  # GPIO_V2_LINE_FLAG_USED


@dataclass(frozen=True, slots=True)
class GpioChip:
    """One GPIO controller. Its number may change between kernels, not its label."""

    name: str
    label: str
    """The label that its driver sets; "" if unknown."""
    lines: int | None
    usable: bool
    """True if this process may open its node for reading and writing."""


def gpio_chips(tree: Tree) -> Iterator[GpioChip]:
    """List the chips by number."""
    labels = dict(_labelled(tree))
    for name in tree.names("sys/bus/gpio/devices"):
        label, lines = labels.get(name) or _chip_info(tree, f"dev/{name}")
        usable = tree.access(f"dev/{name}", os.R_OK | os.W_OK)
        yield GpioChip(name, label, lines, usable)


def _labelled(tree: Tree) -> Iterator[tuple[str, tuple[str, int | None]]]:
    base = "sys/class/gpio"
    for entry in tree.names(base):
        label = tree.text(f"{base}/{entry}/label")
        if not label:
            continue
        info = label, tree.integer(f"{base}/{entry}/ngpio")
        for sibling in tree.names(f"{base}/{entry}/device"):
            if sibling.startswith("gpiochip"):
                yield sibling, info


def _chip_info(tree: Tree, path: str) -> tuple[str, int | None]:
    for raw in _ioctls(tree, path, _CHIPINFO, [bytes(_CHIPINFO_LAYOUT.size)]):
        _, label, lines = _CHIPINFO_LAYOUT.unpack(raw)
        return _text(label), int(lines)
    return "", None


class LineInfo(NamedTuple):
    """The present state of one line of a chip."""

    name: str
    """Its name in the device tree; "" for none."""
    holder: str
    """The name of the program or driver that holds it; "" if it is free."""


def lines(tree: Tree, chip: GpioChip) -> list[LineInfo]:
    """Return the lines of a chip by number; [] if they cannot be read."""
    requests = (
        _LINEINFO_LAYOUT.pack(b"", b"", number, 0) for number in range(chip.lines or 0)
    )
    return [
        decode(raw) for raw in _ioctls(tree, f"dev/{chip.name}", _LINEINFO, requests)
    ]


def decode(raw: bytes) -> LineInfo:
    """Unpack a struct gpio_v2_line_info.

    >>> decode(_LINEINFO_LAYOUT.pack(b"GPIO17", b"lg", 17, _USED))
    LineInfo(name='GPIO17', holder='lg')
    >>> decode(_LINEINFO_LAYOUT.pack(b"GPIO4", b"", 4, _USED))  # no consumer name
    LineInfo(name='GPIO4', holder='the kernel')
    """
    name, consumer, _, flags = _LINEINFO_LAYOUT.unpack(raw)
    holder = (_text(consumer) or "the kernel") if flags & _USED else ""
    return LineInfo(_text(name), holder)


def _ioctls(tree: Tree, path: str, code: int, requests: Iterable[bytes]) -> list[bytes]:
    """Return the answers of a chip's node; [] if it cannot be read."""
    if not tree.live:  # a copied node would open a device of this machine
        return []
    try:
        fd = os.open(f"/{path}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        if not stat.S_ISCHR(os.fstat(fd).st_mode):
            return []
        return [fcntl.ioctl(fd, code, request) for request in requests]
    except OSError:
        return []
    finally:
        os.close(fd)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace")
