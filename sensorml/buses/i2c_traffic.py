"""The traffic of one sensor on I2C, measured on a simulated bus.

The driver itself is started and read some times, on a simulated chip, and every bit
is counted. So the figure follows the driver, and no table has to be maintained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, NamedTuple, Protocol, Self, TypeVar, cast

from sensorml.errors import SensormlError
from sensorml.interfaces import Driver, DriverModule, Registers
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine, MachineOptions
from sensorml.sim.registers import RegisterChip

_BITS_A_BYTE: Final = 9  # eight and the acknowledgement: NXP UM10204, section 3.1.5


class ManualClock:
    """A monotonic clock in ns that is set by hand."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns


class CountingBus:
    """A simulated bus that counts the bits and bytes of its transfers."""

    def __init__(self, bus: SimBus) -> None:
        self.bits = 0
        self.bytes = 0
        """Addresses included."""
        self._bus = bus

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in one transfer; see `i2c_dev.Adapter`."""
        sizes = [m if isinstance(m, int) else len(m) for m in messages]
        count = len(sizes) + sum(sizes)
        self.bytes += count
        # A start before each message and a stop behind the last.
        self.bits += count * _BITS_A_BYTE + len(sizes) + 1
        return self._bus.transfer(address, messages)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class Traffic(NamedTuple):
    """The rows that a driver returned, and their cost on the bus."""

    rows: int
    bits: int
    bytes: int
    seconds: float

    @property
    def bits_per_s(self) -> float:
        return self.bits / self.seconds


class ChipOptions(Protocol):
    """The options of a sensor on I2C, as far as a simulated chip needs them."""

    @property
    def address(self) -> int: ...

    @property
    def machine(self) -> MachineOptions: ...

    def simulated(self) -> Self: ...


O = TypeVar("O", bound=ChipOptions)  # noqa: E741


class ChipDriverModule(Protocol):
    """A driver module whose driver takes its connection and its clock."""

    def Driver(  # noqa: N802
        self,
        options: O,
        connect: Callable[[O, str], Registers],
        clock: Callable[[], int],
    ) -> Driver: ...


def measure(
    module: DriverModule,
    options: O,
    connection: Callable[[CountingBus, O, str], Registers],
    *,
    reads: int,
) -> Traffic | None:
    """Run a driver with these options; return None if its chip has no simulation."""
    clock = ManualClock()
    buses: list[CountingBus] = []

    def connect(options: O, chip: str) -> Registers:
        simulation = import_module(f"sensorml.sim.chips.{chip}")
        simulated: RegisterChip = simulation.Chip(Machine(options.machine), clock)
        buses.append(CountingBus(SimBus({options.address: simulated})))
        return connection(buses[-1], options, chip)

    driver = cast("ChipDriverModule", module).Driver(
        options.simulated(), connect, clock
    )
    try:
        driver.start()
        return _run(driver, buses[-1], clock, reads)
    except (ModuleNotFoundError, SensormlError):
        return None
    finally:
        driver.stop()


def _run(driver: Driver, bus: CountingBus, clock: ManualClock, reads: int) -> Traffic:
    begun_ns, bits, sent = clock.now_ns, bus.bits, bus.bytes
    rows = 0
    for read in range(1, reads + 1):
        clock.now_ns = begun_ns + round(read * driver.period_s * 1e9)
        if (block := driver.read()) is not None:
            rows += len(block.samples)
    return Traffic(rows, bus.bits - bits, bus.bytes - sent, reads * driver.period_s)
