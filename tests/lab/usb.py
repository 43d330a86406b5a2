"""Virtual USB devices: Python objects behind the kernel's own USB stack.

They are the device side of USB/IP on a socket pair, whose other end is given to
vhci_hcd (Documentation/usb/usbip_protocol.rst). No network and no tools are needed.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

_VHCI = Path("/sys/devices/platform/vhci_hcd.0")
_FREE_PORT = 4  # VDEV_ST_NULL of usbip_common.h
_SUBMIT, _UNLINK, _SUBMITTED, _UNLINKED = 1, 2, 3, 4
_EPIPE, _ECONNRESET = -32, -104
_HEADER = struct.Struct(">5I")
_ANSWER = struct.Struct(">5I5i8x")
_BULK, _INTERRUPT = 2, 3


class Speed(IntEnum):
    """The speeds as vhci_hcd numbers them (enum usb_device_speed)."""

    FULL = 2
    HIGH = 3
    SUPER = 5


class StallError(Exception):
    """The answer to a control request that the device refuses."""


class UsbDevice:
    """One device with one interface, described by the attributes of a subclass."""

    vendor: ClassVar[int]
    product: ClassVar[int]
    release: ClassVar[int] = 0x0100
    speed: ClassVar[Speed] = Speed.FULL
    strings: ClassVar[tuple[str, str]] = ("", "")
    interface_class: ClassVar[int] = 0xFF
    endpoints: ClassVar[tuple[tuple[int, int, int, int], ...]] = ()
    """Address, kind, largest packet and interval of each endpoint."""
    milliamperes: ClassVar[int] = 100

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def plugged(self) -> bool:
        return self._thread is not None

    def plug(self) -> None:
        """Connect to a free port of the virtual host controller."""
        self._socket, theirs = socket.socketpair()
        self._port = _free_port(self.speed)
        self._thread = threading.Thread(target=self._serve, name=type(self).__name__)
        self._thread.start()
        with theirs:
            line = f"{self._port} {theirs.fileno()} {self._port + 1} {self.speed}"
            (_VHCI / "attach").write_text(line)

    def unplug(self) -> None:
        """Disconnect, also in the middle of a transfer."""
        if self._thread is None:
            return
        (_VHCI / "detach").write_text(str(self._port))
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._thread = None
        self._socket.close()

    # A subclass overrides this one.

    def request(
        self, number: int, value: int, index: int, length: int, data: bytes
    ) -> bytes:
        """Answer a vendor request on endpoint 0.

        Raises:
            StallError: the device refuses the request.
        """
        raise StallError

    def _serve(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._answer()

    def _answer(self) -> None:
        header = self._take(48)
        command, number, device, inwards, endpoint = _HEADER.unpack_from(header)
        names = (number, device, inwards, endpoint)
        if command == _UNLINK:
            unlinked = (_UNLINKED, *names, _ECONNRESET, 0, 0, 0, 0)
            self._socket.sendall(_ANSWER.pack(*unlinked))
            return
        length, start = struct.unpack_from(">2i", header, 24)
        data = self._take(length) if not inwards else b""
        status, answer = _EPIPE, b""
        if not endpoint:
            with suppress(StallError):
                answer = self._control(header[40:48], data)[:length]
                status = 0
        if not inwards:
            answer = b""
        moved = len(answer) if inwards else len(data) * (status == 0)
        sizes = (status, moved, start, 0, 0)
        self._socket.sendall(_ANSWER.pack(_SUBMITTED, *names, *sizes) + answer)

    def _take(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._socket.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _control(self, setup: bytes, data: bytes) -> bytes:
        """Answer the requests of USB 2.0, chapter 9.4; pass others to `request`."""
        kind, number, value, index, length = struct.unpack("<BBHHH", setup)
        if kind & 0x60:
            return self.request(number, value, index, length, data)
        if number == 6:
            return self._descriptor(value >> 8, value & 0xFF)
        if number == 0:
            return bytes(2)
        if number in {8, 10}:
            return b"\1" if number == 8 else b"\0"
        return b""  # set address, configuration, interface, feature

    def _descriptor(self, kind: int, number: int) -> bytes:
        """Return a descriptor of USB 2.0, chapter 9.6 (USB 3.2: also BOS)."""
        fast = self.speed is Speed.SUPER
        if kind == 1:
            usb, packet = (0x0300, 9) if fast else (0x0200, 64)
            ids = (self.vendor, self.product, self.release)
            return struct.pack(
                "<BBHBBBBHHHBBBB", 18, 1, usb, 0, 0, 0, packet, *ids, 1, 2, 0, 1
            )
        if kind == 2:
            return self._configuration(fast=fast)
        if kind == 3 and number == 0:
            return b"\x04\x03\x09\x04"
        if kind == 3 and number <= len(self.strings):
            text = self.strings[number - 1].encode("utf-16le")
            return bytes((len(text) + 2, 3)) + text
        if kind == 15 and fast:
            link = bytes((10, 16, 3, 0, 0x0E, 0, 3, 10, 0xFF, 0x07))
            usb_2 = bytes((7, 16, 2, 2, 0, 0, 0))
            return struct.pack("<BBHB", 5, 15, 22, 2) + usb_2 + link
        raise StallError

    def _configuration(self, *, fast: bool) -> bytes:
        companion = bytes((6, 0x30, 0, 0, 0, 0)) if fast else b""
        interface = struct.pack(
            "<9B", 9, 4, 0, 0, len(self.endpoints), self.interface_class, 0, 0, 0
        )
        ends = b"".join(
            struct.pack("<BBBBHB", 7, 5, *end) + companion for end in self.endpoints
        )
        size = 9 + len(interface) + len(ends)
        power = self.milliamperes // (8 if fast else 2)
        head = struct.pack("<BBHBBBBB", 9, 2, size, 1, 1, 0, 0x80, power)
        return head + interface + ends


class CoralBeforeFirmware(UsbDevice):
    """A Coral USB Accelerator before its firmware is loaded (Global Unichip Corp.)."""

    vendor, product, speed = 0x1A6E, 0x089A, Speed.HIGH
    interface_class, milliamperes = 0xFE, 500


class Coral(UsbDevice):
    """A Coral USB Accelerator with its firmware loaded (Google Inc.)."""

    vendor, product, speed = 0x18D1, 0x9302, Speed.SUPER
    milliamperes = 896
    endpoints = (
        (0x01, _BULK, 1024, 0),
        (0x81, _BULK, 1024, 0),
        (0x82, _BULK, 1024, 0),
        (0x83, _INTERRUPT, 64, 10),
    )


def _free_port(speed: Speed) -> int:
    hub = "ss" if speed is Speed.SUPER else "hs"
    for line in (_VHCI / "status").read_text().splitlines()[1:]:
        name, port, state, *_ = line.split()
        if name == hub and int(state) == _FREE_PORT:
            return int(port)
    raise RuntimeError(f"every {hub} port of vhci_hcd is taken")
