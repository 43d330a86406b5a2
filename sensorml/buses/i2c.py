"""I2C to one chip: through the kernel, behind a multiplexer, or to a simulated one.

What failures mean, and what is done about them, is in `faults`.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from functools import cache
from posixpath import normpath
from typing import Annotated, Final
from weakref import WeakSet

from msgspec import Meta

from sensorml.buses import fault_codes as faults
from sensorml.buses import i2c_adapters as adapters
from sensorml.buses import i2c_mux as mux
from sensorml.buses.i2c_dev import MAX_MESSAGES, Adapter, KernelBus
from sensorml.errors import BusError, BusReason
from sensorml.schema import Table
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.sim.mux import MuxedSimBus, SimMux
from sensorml.sim.registers import RegisterChip

BUS_NAMES: Final = r"sim|usb:\d+-\d+(\.\d+)*|/dev/.+"
"""What `bus` may be when it is not a number, as a regular expression."""


class I2cOptions(Table, frozen=True, kw_only=True):
    """The keys that every sensor on I2C has; a driver adds its own."""

    bus: (
        Annotated[int, Meta(ge=0)]
        | Annotated[
            str,
            Meta(
                pattern=rf"^({BUS_NAMES})\Z",
                examples=["sim", "usb:1-1.2", "/dev/i2c-motor"],
            ),
        ]
    ) = 1
    """N of /dev/i2c-N; for an adapter on USB, whose N changes, its port or a link
    that udev makes; or "sim": the chip is simulated, fixed to a machine. Sensors
    on one bus all spell it alike."""
    address: Annotated[int, Meta(ge=0x08, le=0x77)]
    """7 bits, without the read/write bit."""
    mux: mux.MuxOptions | None = None
    """The multiplexer that the chip is behind, unless the kernel drives it."""
    machine: MachineOptions = MachineOptions()
    """What a simulated chip feels; of no use on a real bus."""

    @property
    def thread(self) -> str:
        return bus_name(self.bus)


def bus_name(bus: int | str) -> str:
    """Return the one name of a bus, however it is spelled; no hardware.

    >>> bus_name(1), bus_name("/dev//i2c-1"), bus_name("usb:1-1.2")
    ('i2c-1', 'i2c-1', 'i2c-usb:1-1.2')
    """
    name = normpath(str(bus)).removeprefix("/dev/")
    return name if name.startswith("i2c-") else f"i2c-{name}"


def connect(
    options: I2cOptions, chip: str, clock: Callable[[], int] = time.monotonic_ns
) -> I2cConnection:
    """Open the bus to one chip; with bus "sim", make the chip.

    Raises:
        BusError: the bus cannot be opened, or a kernel driver holds the address.
    """
    if options.bus == "sim":
        module = importlib.import_module(f"sensorml.sim.chips.{chip}")
        simulated = module.Chip(Machine(options.machine), clock)
        return I2cConnection(
            _simulated(options, {options.address: simulated}), options, chip
        )
    node = adapters.node(options.bus)
    try:
        kernel = KernelBus(node, options.address)
    except BusError:
        raise
    except OSError as err:
        raise faults.explained(err, _where(options, chip), node=node) from err
    return I2cConnection(_muxed(kernel, options), options, chip)


class I2cConnection:
    """One address on a bus: the `interfaces.Registers` that a driver talks to."""

    def __init__(self, adapter: Adapter, options: I2cOptions, chip: str) -> None:
        self._adapter = adapter
        self._options = options
        self._chip = chip
        simulated = options.bus == "sim"  # a bus of its own, every time
        self._bus = _SharedBus() if simulated else _bus(options.thread)
        self._bus.connections.add(self)

    def __str__(self) -> str:
        return _where(self._options, self._chip)

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
        self._bus.connections.discard(self)
        self._adapter.close()

    def _transfer(self, messages: Sequence[bytes | int]) -> bytes:
        try:
            answer = self._adapter.transfer(self._options.address, messages)
        except BusError as err:  # of the multiplexer
            self._lose_if_dead(err)
            raise
        except OSError as err:
            raise self._failed(err, messages) from err
        if self._bus.silent:
            self._bus.silent.clear()
        return answer

    def _failed(self, err: OSError, messages: Sequence[bytes | int]) -> BusError:
        """Find out what is behind an errno, which may take another transfer."""
        where, address = str(self), self._options.address
        error = faults.explained(err, where)
        self._lose_if_dead(err)
        if error.reason is BusReason.TIMED_OUT:
            self._bus.silent.add(address)
            if len(self._bus.silent) > 1:
                return faults.explained(err, where, known=faults.STUCK)
        if error.reason is BusReason.NOBODY and self._answers(messages[0]):
            return faults.explained(err, where, known=faults.REFUSED)
        return error

    def _lose_if_dead(self, err: OSError) -> None:
        if isinstance(self._adapter, _LostAdapter):
            return
        if err.errno in faults.GONE:
            # The kernel lets an adapter come back when nobody has the old one open:
            # a sensor that is asked once a minute must not keep the others waiting.
            for connection in tuple(self._bus.connections):
                connection.lose(err)
        elif err.errno in faults.DEAD:
            self.lose(err)

    def lose(self, err: OSError) -> None:
        """Close the connection: from now on it fails like this."""
        self._adapter.close()
        self._adapter = _LostAdapter(err)

    def _answers(self, message: bytes | int) -> bool:
        """Ask whether the chip is there by setting its register pointer again.

        A read could take data out of it, and not every adapter can send nothing.
        """
        pointer = message[:1] if isinstance(message, bytes) else message
        try:
            self._adapter.transfer(self._options.address, (pointer,))
        except OSError:
            return False
        return True


class _LostAdapter:
    """In place of an adapter that a connection has lost."""

    def __init__(self, err: OSError) -> None:
        self._err = err

    def transfer(self, _address: int, _messages: Sequence[bytes | int]) -> bytes:
        raise OSError(self._err.errno, self._err.strerror)

    def close(self) -> None:
        """Do nothing: it is closed."""


class _SharedBus:
    """What the connections on one bus have in common; its thread uses them all."""

    def __init__(self) -> None:
        self.connections: WeakSet[I2cConnection] = WeakSet()
        self.silent: set[int] = set()
        """Addresses that timed out since the last one answered."""


@cache
def _bus(_name: str) -> _SharedBus:
    return _SharedBus()


def _where(options: I2cOptions, chip: str) -> str:
    behind = f" behind {options.mux}" if options.mux else ""
    return f"{chip} at {options.address:#04x} on {options.thread}{behind}"


def _muxed(kernel: KernelBus, options: I2cOptions) -> Adapter:
    if options.mux is None:
        return kernel
    try:
        kernel.claim(options.mux.address)
    except OSError as err:
        kernel.close()
        where = f"multiplexer {options.mux.address:#04x} on {options.thread}"
        raise faults.explained(err, where, mux.MEANINGS) from err
    shared = mux.muxes(options.thread)
    return mux.Muxed(kernel, shared, options.mux, options.thread)


def _simulated(options: I2cOptions, chips: dict[int, RegisterChip]) -> Adapter:
    if options.mux is None:
        return SimBus(chips)
    simulated = SimMux({options.mux.channel: chips})
    bus = MuxedSimBus({}, {options.mux.address: simulated})
    return mux.Muxed(bus, mux.Muxes(), options.mux, options.thread)


class InterruptOptions(I2cOptions, frozen=True, kw_only=True):
    """The keys of a chip on I2C whose interrupt pin can be wired."""

    interrupt_gpio: int | str | None = None
    """The line that its INT (INT1) pin is wired to: BCM number, header pin
    ("BOARD22") or name ("GPIO25"). Without it the sensor is read on schedule."""

    def __post_init__(self) -> None:
        if self.interrupt_gpio is not None and self.bus == "sim":
            raise ValueError(
                'interrupt_gpio with bus = "sim": '
                "a simulated chip has no pin, leave interrupt_gpio out"
            )
