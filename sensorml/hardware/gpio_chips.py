"""GPIO chips and their labels.

/sys/bus/gpio lists the chips without their labels. The label is in the older
/sys/class/gpio, where a chip's number is not that of /dev/gpiochipN but both
hang below the same device; a kernel built without that class gives it only
through the node (GPIO_GET_CHIPINFO_IOCTL of linux/gpio.h). Who holds a line is
known to the node alone (GPIO_V2_GET_LINEINFO_IOCTL, since Linux 5.10); asking for
it claims nothing.
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
"""name, consumer, offset, flags; the rest is attributes and room for more."""
_USED = 1  # GPIO_V2_LINE_FLAG_USED


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
    for raw in _asked(tree, path, _CHIPINFO, [bytes(_CHIPINFO_LAYOUT.size)]):
        _, label, lines = _CHIPINFO_LAYOUT.unpack(raw)
        return _text(label), int(lines)
    return "", None


class LineInfo(NamedTuple):
    """One line of a chip, as the kernel has it just now."""

    name: str
    """What the device tree calls it; "" for none."""
    holder: str
    """What the program or driver that holds it calls itself; "" when it is free."""


def lines(tree: Tree, chip: GpioChip) -> list[LineInfo]:
    """Say who holds each line of a chip, by number; [] when that cannot be asked."""
    asked = (
        _LINEINFO_LAYOUT.pack(b"", b"", number, 0) for number in range(chip.lines or 0)
    )
    return [decode(raw) for raw in _asked(tree, f"dev/{chip.name}", _LINEINFO, asked)]


def decode(raw: bytes) -> LineInfo:
    """Unpack a struct gpio_v2_line_info.

    >>> decode(_LINEINFO_LAYOUT.pack(b"GPIO17", b"lg", 17, _USED))
    LineInfo(name='GPIO17', holder='lg')
    >>> decode(_LINEINFO_LAYOUT.pack(b"GPIO4", b"", 4, _USED))  # no name of its own
    LineInfo(name='GPIO4', holder='the kernel')
    """
    name, consumer, _, flags = _LINEINFO_LAYOUT.unpack(raw)
    holder = (_text(consumer) or "the kernel") if flags & _USED else ""
    return LineInfo(_text(name), holder)


def _asked(tree: Tree, path: str, code: int, requests: Iterable[bytes]) -> list[bytes]:
    """Ask a chip's node; [] when it cannot be opened or does not know the request."""
    if not tree.live:  # a copied node would be a device of this machine
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
