"""GPIO chips at the kernel's system calls: lines with levels, pulls, edges and holders.

The structures are those of include/uapi/linux/gpio.h, written down once more.
"""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import Structure, Union, c_char, c_int32, c_uint32, c_uint64
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sensorml.gpio import kernel, lines

_close = os.close

INPUT, OUTPUT, RISING, FALLING = 1 << 2, 1 << 3, 1 << 4, 1 << 5
PULL_UP, PULL_DOWN = 1 << 8, 1 << 9


class _Value(Union):
    _fields_ = [("flags", c_uint64), ("values", c_uint64), ("debounce_us", c_uint32)]


class _Attribute(Structure):
    _fields_ = [("id", c_uint32), ("padding", c_uint32), ("of", _Value)]


class _LineAttribute(Structure):
    _fields_ = [("attr", _Attribute), ("mask", c_uint64)]


class _Config(Structure):
    _fields_ = [
        ("flags", c_uint64),
        ("num_attrs", c_uint32),
        ("padding", c_uint32 * 5),
        ("attrs", _LineAttribute * 10),
    ]


class _Request(Structure):
    _fields_ = [
        ("offsets", c_uint32 * 64),
        ("consumer", c_char * 32),
        ("config", _Config),
        ("num_lines", c_uint32),
        ("event_buffer_size", c_uint32),
        ("padding", c_uint32 * 5),
        ("fd", c_int32),
    ]


class _Values(Structure):
    _fields_ = [("bits", c_uint64), ("mask", c_uint64)]


class _Event(Structure):
    _fields_ = [
        ("timestamp_ns", c_uint64),
        ("id", c_uint32),
        ("offset", c_uint32),
        ("seqno", c_uint32),
        ("line_seqno", c_uint32),
        ("padding", c_uint32 * 6),
    ]


class _Info(Structure):
    _fields_ = [
        ("name", c_char * 32),
        ("consumer", c_char * 32),
        ("offset", c_uint32),
        ("num_attrs", c_uint32),
        ("flags", c_uint64),
        ("attrs", _Attribute * 10),
        ("padding", c_uint32 * 4),
    ]


def _code(number: int, of: type[Structure]) -> int:
    """Return _IOWR(0xB4, number, of)."""
    return 3 << 30 | ctypes.sizeof(of) << 16 | 0xB4 << 8 | number


@dataclass
class Line:
    """One line, its holder, and every level that it has had."""

    high: bool = False
    flags: int = 0
    holder: str = ""
    history: list[bool] = field(default_factory=list)
    queue: int | None = None
    """The end of a pipe to which its events are written."""
    events: int = 0

    def become(self, high: bool) -> None:
        """Take a level."""
        if high is not self.high or not self.history:
            self.history.append(high)
        self.high = high

    def configure(self, config: _Config) -> None:
        """Change flags and level, as the kernel does: the pull first."""
        if any(bytes(config.attrs)[config.num_attrs * ctypes.sizeof(_LineAttribute) :]):
            raise OSError(errno.EINVAL, "Invalid argument")
        self.flags = config.flags
        if not self.flags & OUTPUT:
            if self.flags & (PULL_UP | PULL_DOWN):
                self.become(bool(self.flags & PULL_UP))
            return
        [attr] = config.attrs[: config.num_attrs]
        assert (attr.attr.id, attr.mask) == (2, 1)
        self.become(bool(attr.attr.of.values & 1))

    def edge(self, at_ns: int, high: bool, *, lost: int = 0) -> None:
        """Change the level from outside; `lost` events before it are dropped."""
        self.become(high)
        if self.queue is not None and self.flags & (RISING if high else FALLING):
            self.events += 1 + lost
            number = self.events
            event = _Event(at_ns, 1 if high else 2, 0, number, number)
            os.write(self.queue, bytes(event))


class GpioChips:
    """Chips in a folder of device nodes; a test replaces the kernel by it."""

    def __init__(self, dev: Path, sizes: dict[int, int]) -> None:
        self.lines: dict[tuple[int, int], Line] = {}
        self._dev = dev
        self._requests: dict[int, Line] = {}
        for chip, size in sizes.items():
            (dev / f"gpiochip{chip}").touch()
            self.lines |= {(chip, number): Line() for number in range(size)}

    @classmethod
    def install(
        cls, monkeypatch: pytest.MonkeyPatch, dev: Path, sizes: dict[int, int]
    ) -> GpioChips:
        """Put chips in the place of the kernel's, until the end of the test."""
        chips = cls(dev, sizes)
        monkeypatch.setattr(kernel, "DEV", dev)
        monkeypatch.setattr(lines.KernelOutput, "_left", {})
        monkeypatch.setattr(kernel.fcntl, "ioctl", chips.ioctl)
        monkeypatch.setattr(kernel.os, "close", chips.close)
        return chips

    def levels(self) -> dict[tuple[int, int], bool]:
        """Return the levels of all lines that are outputs."""
        return {
            place: line.high
            for place, line in self.lines.items()
            if line.holder and line.flags & OUTPUT
        }

    def close(self, fd: int) -> None:
        """Close a file, and release the line of a request; its pull stays."""
        line = self._requests.pop(fd, None)
        if line is not None and line.queue is not None:
            _close(line.queue)
            line.queue, line.holder = None, ""
            if line.flags & (PULL_UP | PULL_DOWN):
                line.become(bool(line.flags & PULL_UP))
        _close(fd)

    def ioctl(self, fd: int, code: int, raw: bytes) -> bytes:
        """Answer an ioctl as the kernel does."""
        if code == _code(0x07, _Request):
            return bytes(self._request(self._chip(fd), _Request.from_buffer_copy(raw)))
        if code == _code(0x05, _Info):
            info = _Info.from_buffer_copy(raw)
            line = self.lines[self._chip(fd), info.offset]
            info.consumer = line.holder.encode()
            return bytes(info)
        line = self._requests[fd]
        if code == _code(0x0D, _Config):
            line.configure(_Config.from_buffer_copy(raw))
            return raw
        values = _Values.from_buffer_copy(raw)
        assert values.mask == 1
        if code == _code(0x0F, _Values):
            if not line.flags & OUTPUT:
                raise OSError(errno.EPERM, "Operation not permitted")
            line.become(bool(values.bits))
            return raw
        assert code == _code(0x0E, _Values)
        values.bits = int(line.high)
        return bytes(values)

    def _chip(self, fd: int) -> int:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        assert path.parent == self._dev
        return int(path.name.removeprefix("gpiochip"))

    def _request(self, chip: int, request: _Request) -> _Request:
        assert request.num_lines == 1
        line = self.lines.get((chip, request.offsets[0]))
        if line is None:
            raise OSError(errno.EINVAL, "Invalid argument")
        if line.holder:
            raise OSError(errno.EBUSY, "Device or resource busy")
        line.holder = request.consumer.decode()
        request.fd, line.queue = os.pipe()
        line.events = 0
        line.configure(request.config)
        self._requests[request.fd] = line
        return request
