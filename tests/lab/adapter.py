"""An I2C adapter of the kernel whose bus is made of simulated chips.

It plays the firmware of i2c-tiny-usb (drivers/i2c/busses/i2c-tiny-usb.c), for
which the kernel makes a /dev/i2c-N: every message of every transfer comes here.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from usb import Speed, StallError, UsbDevice

_ECHO, _FUNCTIONS, _DELAY, _STATUS = 0, 1, 2, 3
_IO = range(4, 8)
_READ = 0x1  # I2C_M_RD
_BUSY, _ACKNOWLEDGED, _REFUSED = 0, 1, 2
_FUNC = 0x0EFF0009
"""What the adapter of a Raspberry Pi can do: I2C, and SMBus by emulation."""


class Chip(Protocol):
    """What is on the bus: `sim.registers.RegisterChip` and what wraps one."""

    def write(self, data: bytes) -> None: ...
    def read(self, length: int) -> bytes: ...


class Adapter(UsbDevice):
    """One bus. The public attributes are faults; set them while it runs."""

    vendor, product, release, speed = 0x0403, 0xC631, 0x0205, Speed.FULL
    strings = ("sensorml", "i2c-tiny-usb")

    def __init__(self, chips: Mapping[int, Chip]) -> None:
        super().__init__()
        self.chips = dict(chips)
        self.stuck = False
        """A data line held low: no transfer to anybody works."""
        self.stretch_s = 0.0
        """How long every message is held up by a chip that stretches the clock."""
        self.timeout_s = 0.0
        """How long it waits for a chip that holds the clock; so long nobody on the
        bus is heard."""
        self.waited_s = 0.0
        """For such chips, so far."""
        self.speed_hz = 0
        """Of the clock line; every message takes its time. 0: they take none."""
        self.answered_ns: dict[int, int] = {}
        """When each address has last been read."""
        self.messages = 0
        self.wire_bytes = 0
        """Bytes on the wire so far, addresses included."""
        self._status = _BUSY

    def request(
        self, number: int, value: int, index: int, length: int, data: bytes
    ) -> bytes:
        if number in _IO:
            return self._message(index, length, data, read=bool(value & _READ))
        if number == _STATUS:
            return bytes((self._status,))
        if number == _FUNCTIONS:
            return struct.pack("<I", _FUNC)
        if number == _DELAY:
            return b""
        if number == _ECHO:
            return struct.pack("<H", value)
        raise StallError

    def _message(self, address: int, length: int, data: bytes, *, read: bool) -> bytes:
        if self.stretch_s:
            time.sleep(self.stretch_s)
        if self.stuck:
            raise StallError
        size = 1 + (length if read else len(data))
        self.messages += 1
        self.wire_bytes += size
        self._status = _ACKNOWLEDGED
        answer = bytes(length) if read else b""
        try:
            if (chip := self.chips.get(address)) is None:
                self._status = _REFUSED
            elif read:  # a FIFO has room for another row from its first byte on
                answer = chip.read(length)
                self._pass(size)
                self.answered_ns[address] = time.monotonic_ns()
            else:  # what is written counts from its last byte on
                self._pass(size)
                chip.write(data)
        except TimeoutError:  # it holds the clock line low
            time.sleep(self.timeout_s)
            self.waited_s += self.timeout_s
            raise StallError from None
        except OSError:
            self._status = _REFUSED
        return answer

    def _pass(self, size: int) -> None:
        """Let the time go by that bytes take on the wire."""
        if self.speed_hz:
            time.sleep(9 * size / self.speed_hz)


@contextmanager
def plugged(*adapters: Adapter) -> Iterator[None]:
    """Plug adapters in as i2c-1, i2c-2, …; i2c-0 has no chips, as on a Pi."""
    with ExitStack() as stack:
        for number, adapter in enumerate((Adapter({}), *adapters)):
            node = Path(f"/dev/i2c-{number}")
            stack.callback(_wait_until_gone, node)  # its number is free again then
            adapter.plug()
            stack.callback(adapter.unplug)
            wait_for(node.exists)
        yield


def wait_for(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until the kernel, or another process, has done its part."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{condition} did not come true in {within_s} s")
        time.sleep(0.005)


def _wait_until_gone(node: Path) -> None:
    wait_for(lambda: not node.exists())
