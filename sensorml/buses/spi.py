"""SPI to one chip, through a device node of the kernel's spidev, /dev/spidevB.C.

Kernel documentation: Documentation/spi/spidev.rst; linux/spi/spidev.h for the
numbers. A burst of frames, with the chip deselected in between, is one system call.

SPI has no acknowledgement: without a chip all bits read as ones, or all as zeros. No
chip has such an identity (see `acquisition.registers.identify`).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import os
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from sensorml.buses import fault_codes, i2c, i2c_adapters
from sensorml.buses.i2c import InterruptOptions
from sensorml.errors import BusError, BusReason, OptionError, Reason
from sensorml.interfaces import Claim, Cures, Registers, SensorOptions
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.sim.spi import SimSelect, SpiChip

if TYPE_CHECKING:
    from sensorml.hardware.facts import Facts
    from sensorml.interfaces import DriverModule

SPEED_HZ: Final = 2_000_000
"""The clock, slow enough for long wires; 32 rows of 9 bytes take 1.2 ms."""

# linux/spi/spidev.h, with the ioctl numbers of asm-generic (ARM, x86, RISC-V)
_WR_MODE = 0x40016B01
_WR_BITS_PER_WORD = 0x40016B03
_WR_MAX_SPEED_HZ = 0x40046B04
_TRANSFER = struct.Struct("=QQIIHBBBBBB")  # struct spi_ioc_transfer
"""tx_buf, rx_buf, len, speed_hz, delay_usecs, bits_per_word, cs_change, 4 unused."""

_GONE = fault_codes.Meaning(
    BusReason.NO_ADAPTER,
    "the bus has disappeared: look for the reason in the kernel log (dmesg)",
)
_DENIED = fault_codes.Meaning(
    BusReason.DENIED,
    "access denied: add the user to the group spi (sudo usermod -aG spi USER) and "
    "log in again",
)
_MEANINGS: Final[fault_codes.Meanings] = {
    errno.ENOENT: fault_codes.Meaning(
        BusReason.NO_ADAPTER,
        "there is no such bus: enable SPI (raspi-config, or dtparam=spi=on in "
        "config.txt), or correct bus",
    ),
    errno.ENODEV: _GONE,
    errno.ENXIO: _GONE,
    errno.ESHUTDOWN: _GONE,
    errno.EACCES: _DENIED,
    errno.EPERM: fault_codes.FORBIDDEN,
    errno.EINVAL: fault_codes.Meaning(
        BusReason.UNSUPPORTED,
        "the SPI controller does not support this chip's mode: connect it by I2C",
    ),
    errno.EMSGSIZE: fault_codes.Meaning(
        BusReason.UNSUPPORTED,
        "the transfer is longer than spidev allows: load spidev with bufsiz=65536",
    ),
}


class ChipSelectOptions(SensorOptions, frozen=True, kw_only=True):
    """The keys of a chip that is connected by SPI only."""

    bus: Annotated[
        str, Meta(pattern=r"^(sim|spi\d+\.\d+)\Z", examples=["spi0.0", "sim"])
    ] = "spi0.0"
    """"spiB.C" for /dev/spidevB.C: bus B, chip select C; or "sim": a simulated chip."""
    machine: MachineOptions = MachineOptions()
    """The machine under a simulated chip; without effect on a real bus."""

    @property
    def thread(self) -> str:
        # The chip selects of one controller share its wires.
        return f"spi-{self.bus.removeprefix('spi').split('.')[0]}"

    @property
    def real_time(self) -> bool:
        return True

    @property
    def pi_lines(self) -> Sequence[int]:
        return (7, 8, 9, 10, 11) if self.thread == "spi-0" else ()

    def claims(self) -> Iterator[Claim]:
        if self.bus != "sim":
            bus, select = map(int, self.bus.removeprefix("spi").split("."))
            yield Claim("bus", f"chip select spi{bus}.{select}")

    def missing(self, facts: Facts) -> Iterator[tuple[str, Reason]]:
        present = [node.path.replace("/dev/spidev", "spi") for node in facts.spi]
        if self.bus not in {"sim", *present}:
            cure = "enable SPI (raspi-config, or dtparam=spi=on in config.txt)"
            yield "bus", i2c_adapters.absent(self.bus, present, cure)


class SpiOptions(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a chip that is connected by I2C or by SPI."""

    bus: (
        Annotated[int, Meta(ge=0)]
        | Annotated[
            str,
            Meta(
                pattern=rf"^({i2c.BUS_NAMES}|spi\d+\.\d+)\Z",
                examples=["spi0.0", "sim", "usb:1-1.2", "/dev/i2c-motor"],
            ),
        ]
    ) = 1
    """As for every sensor on I2C; or "spiB.C" for /dev/spidevB.C: bus B, chip
    select C. Then `address` must be left out."""

    def __post_init__(self) -> None:
        InterruptOptions.__post_init__(self)
        if self.spi is None:
            return
        usual = {f.name: f.default for f in msgspec.structs.fields(type(self))}
        i2c_only = {"address": self.address, "mux": self.mux}
        if names := [key for key in i2c_only if i2c_only[key] != usual[key]]:
            raise OptionError(
                f"{' and '.join(names)} with SPI",
                "the chip select replaces it, remove it",
            )

    @property
    def spi(self) -> ChipSelectOptions | None:
        """The chip select, or None on I2C."""
        name = str(self.bus)
        return ChipSelectOptions(bus=name) if name.startswith("spi") else None

    @property
    def thread(self) -> str:
        return self.spi.thread if self.spi else super().thread

    @property
    def cures(self) -> Cures:
        return self.spi.cures if self.spi else super().cures

    @property
    def pi_lines(self) -> Sequence[int]:
        return self.spi.pi_lines if self.spi else super().pi_lines

    def claims(self) -> Iterator[Claim]:
        return self.spi.claims() if self.spi else super().claims()

    def held(self) -> list[str]:
        return [*self.spi.held()] if self.spi else super().held()

    def missing(self, facts: Facts) -> Iterator[tuple[str, Reason]]:
        return self.spi.missing(facts) if self.spi else super().missing(facts)

    def bits_per_s(self, module: DriverModule) -> float | None:
        return None if self.spi else super().bits_per_s(module)


class Framing(NamedTuple):
    """The format of a chip's frames, from its data sheet.

    The first byte of a frame is the command: register, read or write.
    """

    mode: int
    """0 to 3: CPOL × 2 + CPHA."""
    read: int
    """The bit of the command for a read."""
    write: int = 0
    """The bit of the command for a write."""
    many: int = 0
    """The bit of the command for several consecutive registers; 0: none needed."""
    shift: int = 0
    """The position of the register number within the command."""
    gap_us: int = 0
    """The least time between two frames of a burst."""

    def command(self, register: int, length: int) -> int:
        """Return the first byte of a frame that writes `length` bytes.

        >>> hex(Framing(mode=3, read=0x80, many=0x40).command(0x32, 6))
        '0x72'
        """
        return register << self.shift | (self.many if length > 1 else 0)

    def select(self, options: ChipSelectOptions, chip: str) -> SpiConnection:
        """Open a connection to one chip by SPI; with bus "sim", to a simulated one.

        Raises:
            BusError: it cannot be opened.
        """
        if options.bus == "sim":
            simulation = importlib.import_module(f"sensorml.sim.chips.{chip}")
            simulated: SpiChip = simulation.Chip(Machine(options.machine))
            return SpiConnection(SimSelect(simulated), self, f"{chip} on sim")
        where = f"{chip} on {options.bus}"
        node = f"/dev/spidev{options.bus.removeprefix('spi')}"
        try:
            return SpiConnection(SpiDev(node, self), self, where)
        except OSError as err:
            raise fault_codes.explained(err, where, _MEANINGS, node=node) from err

    def connect(self, options: SpiOptions, chip: str) -> Registers:
        """Open a connection to one chip, by SPI or by I2C according to `bus`.

        Raises:
            BusError: it cannot be opened.
        """
        if options.spi is None:
            return i2c.connect(options, chip)
        return self.select(options.spi, chip)


class ChipSelect(Protocol):
    """One chip select, which transfers frames."""

    def transfer(self, frames: Sequence[bytes]) -> bytes:
        """Send frames, the chip deselected after each; return the received bytes.

        Raises:
            OSError: the error of the kernel.
        """

    def close(self) -> None: ...


class SpiConnection:
    """One chip: the `Registers` or `Commands` of a driver."""

    def __init__(self, wire: ChipSelect, framing: Framing, where: str) -> None:
        self._wire = wire
        self._framing = framing
        self._where = where

    def __str__(self) -> str:
        return self._where

    def read(self, register: int, length: int) -> bytes:
        return self._transfer((self._to_read(register, length),))[1:]

    def read_many(self, register: int, length: int, times: int) -> bytes:
        """Do the same read `times` times with one system call; bytes joined."""
        frame = self._to_read(register, length)
        answer = self._transfer((frame,) * times)
        starts = range(0, len(answer), len(frame))
        return b"".join(answer[i + 1 : i + len(frame)] for i in starts)

    def write(self, register: int, data: bytes) -> None:
        command = self._framing.command(register, len(data)) | self._framing.write
        self._transfer((bytes((command,)) + data,))

    def receive(self, length: int) -> bytes:
        """Read without a command; see `interfaces.Commands`."""
        return self._transfer((bytes(length),))

    def close(self) -> None:
        self._wire.close()

    def nobody(self) -> BusError:
        """Return the error for a bus that reads as ones only, or zeros only."""
        return BusError(
            f"{self._where}: no chip answers: check the wires of MISO and CS, the "
            "power, and that the chip's CS is connected to the chip select of bus",
            reason=BusReason.NOBODY,
        )

    def _to_read(self, register: int, length: int) -> bytes:
        command = self._framing.command(register, length) | self._framing.read
        return bytes((command,)) + bytes(length)

    def _transfer(self, frames: Sequence[bytes]) -> bytes:
        try:
            return self._wire.transfer(frames)
        except OSError as err:
            raise fault_codes.explained(err, self._where, _MEANINGS) from err


class _Burst(NamedTuple):
    """A burst of frames in the kernel's layout."""

    request: int
    transfers: bytearray
    sent: ctypes.Array[ctypes.c_char]
    received: ctypes.Array[ctypes.c_char]


class SpiDev:
    """A device node of spidev, set to one chip's mode."""

    def __init__(self, node: str, framing: Framing) -> None:
        """Open it.

        Raises:
            OSError: the error of the kernel.
        """
        self._gap_us = framing.gap_us
        # The same reads are repeated.
        self._bursts: dict[Sequence[bytes], _Burst] = {}
        self._fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self._fd, _WR_MODE, struct.pack("=B", framing.mode))
            fcntl.ioctl(self._fd, _WR_BITS_PER_WORD, struct.pack("=B", 8))
            fcntl.ioctl(self._fd, _WR_MAX_SPEED_HZ, struct.pack("=I", SPEED_HZ))
        except OSError:
            self.close()
            raise

    def transfer(self, frames: Sequence[bytes]) -> bytes:
        """Transfer frames in one system call; see `ChipSelect`."""
        burst = self._bursts.get(frames)
        if burst is None:
            burst = self._bursts[frames] = _burst(frames, self._gap_us)
        # With a bytearray, unlike with bytes, the interpreter lock is released.
        fcntl.ioctl(self._fd, burst.request, burst.transfers)
        return burst.received.raw

    def close(self) -> None:
        """Close it. Harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _burst(frames: Sequence[bytes], gap_us: int) -> _Burst:
    """Lay out frames in memory, each with room for the received bytes."""
    size = sum(map(len, frames))
    sent = ctypes.create_string_buffer(b"".join(frames), size)
    received = ctypes.create_string_buffer(size)
    transfers = bytearray()
    done = 0
    for number, frame in enumerate(frames, 1):
        tx, rx = ctypes.addressof(sent) + done, ctypes.addressof(received) + done
        more = number < len(frames)  # the kernel deselects after the last
        gap = gap_us if more else 0
        transfers += _TRANSFER.pack(tx, rx, len(frame), 0, gap, 0, more, 0, 0, 0, 0)
        done += len(frame)
    return _Burst(_message(len(frames)), transfers, sent, received)


def _message(transfers: int) -> int:
    """Return SPI_IOC_MESSAGE(n), a write of n structs.

    >>> hex(_message(1))
    '0x40206b00'
    """
    return 0x40006B00 | transfers * _TRANSFER.size << 16
