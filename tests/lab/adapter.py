"""An I2C adapter of the kernel with simulated chips on its bus.

It simulates the firmware of i2c-tiny-usb (drivers/i2c/busses/i2c-tiny-usb.c), for
which the kernel makes a /dev/i2c-N, and receives every message of every transfer.
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
"""The functions of a Raspberry Pi's adapter: I2C, and emulated SMBus."""


class Chip(Protocol):
    """A chip on the bus: a `sim.registers.RegisterChip`, or a wrapper of one."""

    def write(self, data: bytes) -> None: ...
    def read(self, length: int) -> bytes: ...


class Adapter(UsbDevice):
    """One bus, whose faults are public attributes that can be set at any time."""

    vendor, product, release, speed = 0x0403, 0xC631, 0x0205, Speed.FULL
    strings = ("sensorml", "i2c-tiny-usb")

    def __init__(self, chips: Mapping[int, Chip]) -> None:
        super().__init__()
        self.chips = dict(chips)
        self.stuck = False
        """The data line is held low, so every transfer fails."""
        self.stretch_s = 0.0
        """The delay of every message by a chip that stretches the clock."""
        self.timeout_s = 0.0
        """The wait for a chip that holds the clock, in which the bus is blocked."""
        self.waited_s = 0.0
        """The sum of these waits."""
        self.speed_hz = 0
        """The clock rate, from which messages take their time; 0 if they take none."""
        self.answered_ns: dict[int, int] = {}
        """The time of the last read from each address."""
        self.messages = 0
        self.wire_bytes = 0
        """The bytes on the wire so far, with addresses."""
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
            elif read:  # the first byte read makes room in a FIFO
                answer = chip.read(length)
                self._wait_for_bytes(size)
                self.answered_ns[address] = time.monotonic_ns()
            else:  # a write takes effect with its last byte
                self._wait_for_bytes(size)
                chip.write(data)
        except TimeoutError:  # the chip holds the clock line low
            time.sleep(self.timeout_s)
            self.waited_s += self.timeout_s
            raise StallError from None
        except OSError:
            self._status = _REFUSED
        return answer

    def _wait_for_bytes(self, size: int) -> None:
        """Wait for the time that bytes take on the wire."""
        if self.speed_hz:
            time.sleep(9 * size / self.speed_hz)


@contextmanager
def plugged(*adapters: Adapter) -> Iterator[None]:
    """Plug adapters in as i2c-1, i2c-2, …; i2c-0 has no chips, as on a Pi."""
    with ExitStack() as stack:
        for number, adapter in enumerate((Adapter({}), *adapters)):
            node = Path(f"/dev/i2c-{number}")
            stack.callback(_wait_until_gone, node)  # which makes its number free again
            adapter.plug()
            stack.callback(adapter.unplug)
            wait_for(node.exists)
        yield


def wait_for(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until a condition is true, which the kernel or another process causes.

    Raises:
        AssertionError: it is not true after `within_s`.
    """
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{condition} was not true within {within_s} s")
        time.sleep(0.005)


def _wait_until_gone(node: Path) -> None:
    wait_for(lambda: not node.exists())
