"""I2C through a device node of the kernel's i2c-dev, /dev/i2c-N.

The only importer of smbus2. A transfer is one I2C_RDWR ioctl where the adapter
supports it, because SMBus block reads are limited to 32 bytes (kernel documentation,
Documentation/i2c/dev-interface.rst).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from sensorml.errors import BusError, BusReason

if TYPE_CHECKING:
    from smbus2 import i2c_msg

MAX_MESSAGES: Final = 42
"""The limit of messages per ioctl: I2C_RDWR_IOCTL_MAX_MSGS of linux/i2c-dev.h."""
TIMEOUT_S: Final = 0.1
"""The time-out of a transfer, for every program that uses the adapter. The kernel
never ends a transfer earlier, and at most one of its ticks later. A chip that hangs
delays its neighbours for this time. A kilobyte, such as the picture of a small
display, takes 93 ms at 100 kHz; our longest transfer takes half of that."""
_HELD_S: Final = TIMEOUT_S / 2
"""A transfer that is aborted later than this was a time-out, whatever its errno."""

_UNPLUGGED: Final = {errno.EIO, errno.EOPNOTSUPP}
"""The errnos of an unplugged USB adapter; the second comes from drivers that query
the adapter's functions first."""

# linux/i2c-dev.h
_I2C_RETRIES = 0x0701
_I2C_TIMEOUT = 0x0702  # in 10 ms
_I2C_SLAVE = 0x0703
_I2C_M_RD = 0x0001  # linux/i2c.h


class Adapter(Protocol):
    """A bus that runs transfers."""

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in order, bytes to write or a number of bytes to read.

        Returns:
            The bytes that were read, joined.

        Raises:
            OSError: the error of the kernel.
        """

    def close(self) -> None: ...


class KernelBus:
    """A device node of i2c-dev, opened for one address."""

    def __init__(
        self,
        bus: int | str,
        address: int,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open /dev/i2c-N, or the node of that name.

        Raises:
            BusError: the adapter supports only SMBus.
            OSError: the error of the kernel; EBUSY: a kernel driver uses the address.
        """
        import smbus2

        self._clock_s = clock_s
        self._message = smbus2.i2c_msg
        self._node = f"/dev/i2c-{bus}" if isinstance(bus, int) else bus
        self._bus = smbus2.SMBus(self._node)
        # The buffers of a burst are made once, because the same reads are repeated.
        self._reads: dict[int, list[i2c_msg]] = {}
        self._combines = True  # until a transfer proves otherwise
        try:
            if not self._bus.funcs & smbus2.I2cFunc.I2C:
                raise BusError(
                    errno.EOPNOTSUPP,
                    f"{self._node}: this adapter supports only SMBus, which has no "
                    "long reads: connect the sensor to another adapter",
                    reason=BusReason.UNSUPPORTED,
                )
            self.claim(address)
            # Both apply to the adapter, for all programs. If the kernel repeated a
            # transfer, the data that its first attempt has read would be lost.
            self._control(_I2C_TIMEOUT, round(TIMEOUT_S * 100))
            self._control(_I2C_RETRIES, 0)
        except OSError:
            self._bus.close()
            raise

    def claim(self, address: int) -> None:
        """Check that an address is free, because I2C_RDWR does not check it.

        Raises:
            OSError: EBUSY: a kernel driver uses it.
        """
        self._control(_I2C_SLAVE, address)

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in one system call; see `Adapter`.

        The adapter of a Raspberry Pi up to 4 allows one read per transfer (i2c-bcm2835:
        EOPNOTSUPP, before it sends anything); there it is one system call per read.

        Raises:
            OSError: the error of the kernel, but ENODEV when the node has disappeared,
                and ETIMEDOUT when the transfer was aborted late (i2c-bcm2835 returns
                EIO for both).
        """
        reads: list[i2c_msg] = []
        run: list[i2c_msg] = []
        written: dict[bytes, i2c_msg] = {}
        for message in messages:
            if isinstance(message, bytes):
                if message not in written:
                    written[message] = self._message.write(address, message)
                run.append(written[message])
            else:
                reads.append(self._buffer(address, message, len(reads)))
                run.append(reads[-1])
        begun_s = self._clock_s()
        try:
            self._run(run, len(reads))
        except OSError as err:
            number = err.errno
            if number in _UNPLUGGED and not os.path.exists(self._node):  # noqa: PTH110
                number = errno.ENODEV
            elif number == errno.EIO and self._clock_s() - begun_s >= _HELD_S:
                number = errno.ETIMEDOUT
            if number == err.errno:
                raise
            assert number is not None  # noqa: S101 - errors of the kernel have one
            raise OSError(number, os.strerror(number)) from err
        return b"".join(map(bytes, reads))

    def close(self) -> None:
        self._bus.close()

    def _run(self, run: Sequence[i2c_msg], reads: int) -> None:
        if self._combines or reads < 2:
            try:
                self._bus.i2c_rdwr(*run)
            except OSError as err:
                if err.errno != errno.EOPNOTSUPP or reads < 2:
                    raise
                self._combines = False
            else:
                return
        start = 0
        for end, message in enumerate(run, 1):
            if message.flags & _I2C_M_RD or end == len(run):
                self._bus.i2c_rdwr(*run[start:end])
                start = end

    def _control(self, request: int, value: int) -> None:
        assert self._bus.fd is not None  # noqa: S101 - it is open
        fcntl.ioctl(self._bus.fd, request, value)

    def _buffer(self, address: int, length: int, number: int) -> i2c_msg:
        """Return the `number`-th read buffer of that length."""
        buffers = self._reads.setdefault(length, [])
        while len(buffers) <= number:
            buffers.append(self._message.read(address, length))
        return buffers[number]
