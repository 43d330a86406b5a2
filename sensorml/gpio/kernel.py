"""Lines requested from the kernel's GPIO character device, since Linux 5.10.

One call claims a line with its direction, its pull and its level, so an output has no
other level before. Structures and numbers: include/uapi/linux/gpio.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from enum import IntFlag
from pathlib import Path
from typing import Final, NamedTuple

from sensorml.gpio.debounce import Edge

DEV: Final = Path("/dev")

_GET_LINE = 0xC250B407  # _IOWR(0xB4, 0x07, struct gpio_v2_line_request)
_SET_CONFIG = 0xC110B40D  # _IOWR(0xB4, 0x0D, struct gpio_v2_line_config)
_GET_VALUES = 0xC010B40E  # _IOWR(0xB4, 0x0E, struct gpio_v2_line_values)
_SET_VALUES = 0xC010B40F  # _IOWR(0xB4, 0x0F, struct gpio_v2_line_values)
_LINE_INFO = 0xC100B405  # _IOWR(0xB4, 0x05, struct gpio_v2_line_info)

_REQUEST_LAYOUT = struct.Struct("=I252x32s272sII20xi")
"""The offset of one line, consumer, configuration, lines, size of the queue, fd."""
_CONFIG_LAYOUT = struct.Struct("=QI20xI4xQQ216x")
"""Flags, number of attributes; of the first one its id, its value and its lines."""
_VALUES_LAYOUT = struct.Struct("=QQ")  # bits, mask
_EVENT_LAYOUT = struct.Struct("=QIIII24x")
"""Time, kind, line, number among the events of the request, and of the line."""
_INFO_LAYOUT = struct.Struct("=32s32sI188x")  # name, consumer, offset

_OUTPUT_VALUES = 2  # GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES
_RISING_EDGE = 1  # GPIO_V2_LINE_EVENT_RISING_EDGE
_QUEUE = 1024
"""Events that the kernel keeps, its most; then it drops the oldest."""


class Flag(IntFlag):
    """The flags of a line (enum gpio_v2_line_flag)."""

    INPUT = 1 << 2
    OUTPUT = 1 << 3
    RISING = 1 << 4
    FALLING = 1 << 5
    PULL_UP = 1 << 8
    PULL_DOWN = 1 << 9
    NO_PULL = 1 << 10


PULLS: Final = {"up": Flag.PULL_UP, "down": Flag.PULL_DOWN, "none": Flag.NO_PULL}
BOTH_EDGES: Final = Flag.RISING | Flag.FALLING


class Place(NamedTuple):
    """A line of a chip, /dev/gpiochipN."""

    chip: int
    number: int


def configuration(flags: Flag, *, high: bool = False) -> bytes:
    """Pack a struct gpio_v2_line_config; `high` is the level of an output."""
    if not flags & Flag.OUTPUT:
        return _CONFIG_LAYOUT.pack(flags, 0, 0, 0, 0)
    return _CONFIG_LAYOUT.pack(flags, 1, _OUTPUT_VALUES, high, 1)


class LineRequest:
    """One line that this process holds; only one request in the system can."""

    def __init__(self, place: Place, config: bytes, consumer: str) -> None:
        """Claim a line.

        Args:
            place: the line.
            config: from `configuration`.
            consumer: the name of the holder, which gpioinfo shows.

        Raises:
            OSError: it cannot be claimed; the text names another holder.
        """
        chip = os.open(DEV / f"gpiochip{place.chip}", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._fd = _claim(chip, place.number, config, consumer)
        finally:
            os.close(chip)
        os.set_blocking(self._fd, False)
        self._event: int | None = 0

    def configure(self, config: bytes) -> None:
        """Change the direction, pull, level or edges of the line in one call."""
        fcntl.ioctl(self._fd, _SET_CONFIG, config)
        self._event = None

    @property
    def high(self) -> bool:
        """The present level of the line."""
        raw = fcntl.ioctl(self._fd, _GET_VALUES, _VALUES_LAYOUT.pack(0, 1))
        return bool(_VALUES_LAYOUT.unpack(raw)[0])

    def set(self, high: bool) -> None:
        """Drive an output."""
        fcntl.ioctl(self._fd, _SET_VALUES, _VALUES_LAYOUT.pack(high, 1))

    def edges(self) -> Iterator[Edge]:
        """Take the edges since the last call, oldest first; never wait."""
        for raw in self._events():
            at_ns, kind, _, number, _ = _EVENT_LAYOUT.unpack(raw)
            expected = number if self._event is None else self._event + 1 & 0xFFFFFFFF
            self._event = number
            yield Edge(at_ns, kind == _RISING_EDGE, number != expected)

    def close(self) -> None:
        """Release the line."""
        os.close(self._fd)

    def _events(self) -> Iterator[bytes]:
        size = _EVENT_LAYOUT.size
        try:
            raw = os.read(self._fd, size * _QUEUE)
        except BlockingIOError:
            return
        for at in range(0, len(raw), size):
            yield raw[at : at + size]


def _claim(chip: int, number: int, config: bytes, consumer: str) -> int:
    name = consumer.encode()[:31]
    request = _REQUEST_LAYOUT.pack(number, name, config, 1, _QUEUE, 0)
    try:
        reply = fcntl.ioctl(chip, _GET_LINE, request)
    except OSError as err:
        if err.errno != errno.EBUSY:
            raise
        info = fcntl.ioctl(chip, _LINE_INFO, _INFO_LAYOUT.pack(b"", b"", number))
        holder = _INFO_LAYOUT.unpack(info)[1].split(b"\0")[0].decode(errors="replace")
        raise OSError(err.errno, f'busy, held by "{holder}"') from err
    return int(_REQUEST_LAYOUT.unpack(reply)[-1])
