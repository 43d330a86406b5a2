"""I2C through the kernel's /dev/i2c-N, or to a simulated chip.

The only importer of smbus2. Every transfer is one I2C_RDWR ioctl: the SMBus
block reads stop at 32 bytes, this does not (kernel documentation,
Documentation/i2c/dev-interface.rst).
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from msgspec import Meta

from sensorml.errors import BusError
from sensorml.schema import Table
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine, MachineOptions

if TYPE_CHECKING:
    from smbus2 import i2c_msg

MAX_MESSAGES = 42
"""Messages that one ioctl takes: I2C_RDWR_IOCTL_MAX_MSGS of linux/i2c-dev.h."""

_I2C_SLAVE = 0x0703  # linux/i2c-dev.h

_CURES = {
    errno.ENXIO: "nobody answers there: check the wiring, the power and the address",
    errno.EREMOTEIO: "nobody answers there: check the wiring, the power and the "
    "address",
    errno.EIO: "the transfer broke off: power-cycle the sensor, check the pull-ups, "
    "lower the bus speed",
    errno.ETIMEDOUT: "the bus hangs: power-cycle the sensor, check the pull-ups, "
    "lower the bus speed",
    errno.EBUSY: "a kernel driver holds that address: remove its dtoverlay from "
    "config.txt or unbind it",
    errno.EACCES: "access denied: add the user to the group i2c "
    "(sudo usermod -aG i2c USER) and log in again",
    errno.ENOENT: "there is no such bus: enable I2C (raspi-config) or correct bus",
    errno.ENODEV: "the bus is gone: plug its adapter in again",
}
_CURES[errno.EPERM] = _CURES[errno.EACCES]


class I2cOptions(Table, frozen=True, kw_only=True):
    """The keys that every sensor on I2C has; a driver adds its own."""

    bus: Annotated[int, Meta(ge=0)] | Literal["sim"] = 1
    """N of /dev/i2c-N, or "sim": the chip is simulated, fixed to a machine."""
    address: Annotated[int, Meta(ge=0x08, le=0x77)]
    """7 bits, without the read/write bit."""
    machine: MachineOptions = MachineOptions()
    """What a simulated chip feels; of no use on a real bus."""

    @property
    def thread(self) -> str:
        return f"i2c-{self.bus}"


class Adapter(Protocol):
    """A bus; `transfer` is the one thing that it does."""

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in order, bytes to write or a number of bytes to read.

        Returns:
            What was read, joined.

        Raises:
            OSError: as the kernel gave it.
        """

    def close(self) -> None: ...


def connect(
    options: I2cOptions, chip: str, clock: Callable[[], int] = time.monotonic_ns
) -> Device:
    """Open the bus to one chip; with bus "sim", make the chip.

    Raises:
        BusError: the bus cannot be opened, or a kernel driver holds the address.
    """
    if options.bus == "sim":
        module = importlib.import_module(f"sensorml.sim.chips.{chip}")
        simulated = module.Chip(Machine(options.machine), clock)
        return Device(SimBus({options.address: simulated}), options, chip)
    try:
        adapter = KernelBus(options.bus, options.address)
    except OSError as err:
        raise _explained(err, chip, options) from err
    return Device(adapter, options, chip)


class Device:
    """One address on a bus: the `interfaces.I2C` that a driver talks to."""

    def __init__(self, adapter: Adapter, options: I2cOptions, chip: str) -> None:
        self._adapter = adapter
        self._options = options
        self._chip = chip

    def __str__(self) -> str:
        return f"{self._chip} at {self._options.address:#04x} on {self._options.thread}"

    def read(self, register: int, length: int) -> bytes:
        return self._transfer((bytes((register,)), length))

    def read_many(self, register: int, length: int, times: int) -> bytes:
        """Do the same read `times` times, MAX_MESSAGES / 2 in a system call."""
        pair = (bytes((register,)), length)
        at_once = MAX_MESSAGES // 2
        if times <= at_once:
            return self._transfer(pair * times)
        return b"".join(
            self._transfer(pair * min(at_once, times - done))
            for done in range(0, times, at_once)
        )

    def write(self, register: int, data: bytes) -> None:
        self._transfer((bytes((register,)) + data,))

    def close(self) -> None:
        self._adapter.close()

    def _transfer(self, messages: Sequence[bytes | int]) -> bytes:
        try:
            return self._adapter.transfer(self._options.address, messages)
        except OSError as err:
            raise _explained(err, self._chip, self._options) from err


class KernelBus:
    """/dev/i2c-N, opened for one address."""

    def __init__(self, bus: int, address: int) -> None:
        import smbus2

        self._message = smbus2.i2c_msg
        self._bus = smbus2.SMBus(bus)
        # The buffers of a burst are made once: the same reads come every time.
        self._reads: dict[int, list[i2c_msg]] = {}
        assert self._bus.fd is not None  # noqa: S101 - it has just been opened
        try:
            # I2C_RDWR itself does not mind that a kernel driver is bound.
            fcntl.ioctl(self._bus.fd, _I2C_SLAVE, address)
        except OSError:
            self._bus.close()
            raise

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in one system call; see `Adapter`."""
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
        self._bus.i2c_rdwr(*run)
        return b"".join(map(bytes, reads))

    def close(self) -> None:
        self._bus.close()

    def _buffer(self, address: int, length: int, number: int) -> i2c_msg:
        """Return the `number`-th read buffer of that length."""
        buffers = self._reads.setdefault(length, [])
        while len(buffers) <= number:
            buffers.append(self._message.read(address, length))
        return buffers[number]


def _explained(err: OSError, chip: str, options: I2cOptions) -> BusError:
    """Say what an errno means here, and what to do."""
    where = f"{chip} at {options.address:#04x} on {options.thread}"
    cure = _CURES.get(err.errno or 0, f"{err.strerror}: check the wiring")
    return BusError(err.errno, f"{where}: {cure}")
