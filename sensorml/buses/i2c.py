"""I2C connections to one chip: by the kernel, behind a multiplexer, or simulated.

The meaning of failures, and the reaction to them, is in `fault_codes`.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final, Self
from weakref import WeakSet

import msgspec
from msgspec import Meta

from sensorml.buses import fault_codes, i2c_adapters, i2c_mux
from sensorml.buses.i2c_dev import MAX_MESSAGES, Adapter, KernelBus
from sensorml.errors import BusError, BusReason, OptionError, Reason
from sensorml.interfaces import Claim, Cures, LineClaim, SensorOptions
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.sim.mux import MuxedSimBus, SimMux
from sensorml.sim.registers import RegisterChip

if TYPE_CHECKING:
    from sensorml.buses.i2c_traffic import Traffic
    from sensorml.hardware.facts import Facts
    from sensorml.interfaces import DriverModule

BUS_NAMES: Final = r"sim|usb:\d+-\d+(\.\d+)*|/dev/.+"
"""The values of `bus` that are not numbers, as a regular expression."""


class I2cOptions(SensorOptions, frozen=True, kw_only=True):
    """The keys of every sensor on I2C; a driver adds its own."""

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
    that udev makes; or "sim": the chip and the machine under it are simulated. All
    sensors on one bus write the same value."""
    address: Annotated[int, Meta(ge=0x08, le=0x77)]
    """7 bits, without the read/write bit."""
    mux: i2c_mux.MuxOptions | None = None
    """The multiplexer in front of the chip, unless the kernel drives it."""
    machine: MachineOptions = MachineOptions()
    """The machine under a simulated chip; without effect on a real bus."""

    @property
    def thread(self) -> str:
        return i2c_adapters.bus_name(self.bus)

    @property
    def real_time(self) -> bool:
        return True

    @property
    def cures(self) -> Cures:
        overrun = "lower rate_hz, raise the bus speed or give the computer less to do"
        return Cures(overrun=overrun)

    @property
    def pi_lines(self) -> Sequence[int]:
        return {"i2c-0": (0, 1), "i2c-1": (2, 3)}.get(self.thread, ())

    def claims(self) -> Iterator[Claim]:
        """Return the addresses that the chip and its multiplexer answer to.

        Behind a multiplexer an address is free again, unless a chip in front of it
        has it: both would answer.
        """
        return self._claims(self.thread)

    def held(self) -> list[str]:
        if self.bus == "sim":
            return []
        return [each.what for each in self._claims(i2c_adapters.real_name(self.bus))]

    def _claims(self, bus: str) -> Iterator[Claim]:
        if self.bus == "sim":
            return
        chip = Claim("address", i2c_adapters.address_name(self.address, bus))
        if self.mux is None:
            yield chip
            return
        yield chip._replace(part=f"behind {self.mux}")
        shared = i2c_adapters.address_name(self.mux.address, bus)
        yield Claim("mux.address", shared, purpose="multiplexer")

    def missing(self, facts: Facts) -> Iterator[tuple[str, Reason]]:
        if self.bus != "sim" and (reason := i2c_adapters.why_missing(self.bus, facts)):
            yield "bus", reason

    def bits_per_s(self, module: DriverModule) -> float | None:
        if self.bus == "sim":
            return None
        traffic = self.traffic(module)
        return None if traffic is None else traffic.bits_per_s

    def traffic(self, module: DriverModule, *, reads: int = 16) -> Traffic | None:
        """Measure the traffic of a driver; None where its chip has no simulation."""
        from sensorml.buses.i2c_traffic import measure

        return measure(module, self, I2cConnection, reads=reads)

    def simulated(self) -> Self:
        """Return the same sensor on a simulated bus, without multiplexer and wires."""
        return msgspec.structs.replace(self, bus="sim", mux=None)


def connect(
    options: I2cOptions, chip: str, clock: Callable[[], int] = time.monotonic_ns
) -> I2cConnection:
    """Open a connection to one chip; with bus "sim", to a simulated one.

    Raises:
        BusError: the bus cannot be opened, or a kernel driver holds the address.
    """
    if options.bus == "sim":
        module = importlib.import_module(f"sensorml.sim.chips.{chip}")
        simulated = module.Chip(Machine(options.machine), clock)
        return I2cConnection(
            _simulated(options, {options.address: simulated}), options, chip
        )
    node = i2c_adapters.node(options.bus)
    try:
        kernel = KernelBus(node, options.address)
    except BusError:
        raise
    except OSError as err:
        raise fault_codes.explained(err, _where(options, chip), node=node) from err
    return I2cConnection(_muxed(kernel, options), options, chip)


class I2cConnection:
    """One address on a bus: the `Registers` or `Commands` of a driver."""

    def __init__(self, adapter: Adapter, options: I2cOptions, chip: str) -> None:
        self._adapter = adapter
        self._options = options
        self._chip = chip
        simulated = options.bus == "sim"  # each simulated chip has its own bus
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

    def receive(self, length: int) -> bytes:
        """Read without a register number; see `interfaces.Commands`."""
        return self._transfer((length,))

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
        """Return the error for an errno; this may take another transfer."""
        where, address = str(self), self._options.address
        error = fault_codes.explained(err, where)
        self._lose_if_dead(err)
        if error.reason is BusReason.TIMED_OUT:
            self._bus.silent.add(address)
            if len(self._bus.silent) > 1:
                return fault_codes.explained(err, where, meaning=fault_codes.STUCK)
        first = messages[0]
        nobody = error.reason is BusReason.NOBODY
        if nobody and isinstance(first, bytes) and self._answers(first):
            return fault_codes.explained(err, where, meaning=fault_codes.REFUSED)
        return error

    def _lose_if_dead(self, err: OSError) -> None:
        if isinstance(self._adapter, _LostAdapter):
            return
        if err.errno in fault_codes.GONE:
            # An adapter can only return when all connections to the old one are closed:
            # a sensor that is read once a minute must not delay the others.
            for connection in tuple(self._bus.connections):
                connection.lose(err)
        elif err.errno in fault_codes.DEAD:
            self.lose(err)

    def lose(self, err: OSError) -> None:
        """Close the connection; all further transfers fail with the same error."""
        self._adapter.close()
        self._adapter = _LostAdapter(err)

    def _answers(self, message: bytes) -> bool:
        """Return whether the chip acknowledges its register pointer.

        A read could take data out of it, and not every adapter supports an empty write.
        """
        try:
            self._adapter.transfer(self._options.address, (message[:1],))
        except OSError:
            return False
        return True


class _LostAdapter:
    """The replacement of an adapter after the connection was lost."""

    def __init__(self, err: OSError) -> None:
        self._err = err

    def transfer(self, _address: int, _messages: Sequence[bytes | int]) -> bytes:
        raise OSError(self._err.errno, self._err.strerror)

    def close(self) -> None:
        """Do nothing: it is closed already."""


class _SharedBus:
    """The state that all connections on one bus share; only its thread uses it."""

    def __init__(self) -> None:
        self.connections: WeakSet[I2cConnection] = WeakSet()
        self.silent: set[int] = set()
        """Addresses that timed out since a chip answered."""


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
        raise fault_codes.explained(err, where, i2c_mux.MEANINGS) from err
    shared = i2c_mux.muxes(options.thread)
    return i2c_mux.Muxed(kernel, shared, options.mux, options.thread)


def _simulated(options: I2cOptions, chips: dict[int, RegisterChip]) -> Adapter:
    if options.mux is None:
        return SimBus(chips)
    simulated = SimMux({options.mux.channel: chips})
    bus = MuxedSimBus({}, {options.mux.address: simulated})
    return i2c_mux.Muxed(bus, i2c_mux.Muxes(), options.mux, options.thread)


class InterruptOptions(I2cOptions, frozen=True, kw_only=True):
    """The keys of a chip on I2C whose interrupt pin can be wired."""

    interrupt_gpio: int | str | None = None
    """The line at its pin INT (INT1): BCM number, header pin ("BOARD22") or name
    ("GPIO25"). Without it the sensor is read on schedule."""

    def lines(self) -> Iterator[LineClaim]:
        if self.interrupt_gpio is not None:
            yield LineClaim("interrupt_gpio", self.interrupt_gpio)

    def simulated(self) -> Self:
        return msgspec.structs.replace(self, bus="sim", mux=None, interrupt_gpio=None)

    def __post_init__(self) -> None:
        if self.interrupt_gpio is not None and self.bus == "sim":
            raise OptionError(
                'interrupt_gpio with bus = "sim"',
                "a simulated chip has no pin, remove interrupt_gpio",
            )
