"""What the sensors put on each I2C bus: their drivers, run on simulated chips.

A driver is started and read some times by a clock that is only told the time,
and every bit is counted. So the figure is what the driver really does, and there
is nothing to be kept up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Final, NamedTuple, Protocol, cast

import msgspec

from sensorml import plugins
from sensorml.buses.i2c import I2cConnection, I2cOptions, bus_name
from sensorml.config.tables import Bus, Sensor
from sensorml.errors import Problem, SensormlError
from sensorml.interfaces import Driver, Registers
from sensorml.sim.bus import SimBus
from sensorml.sim.machine import Machine
from sensorml.sim.registers import RegisterChip

FAST_HZ: Final = 400_000
USUAL_HZ: Final = 100_000
"""What a bus runs at when nobody has set it."""

_PI_3_HZ: Final = 250_000  # what a Pi 3 does when it is set to FAST_HZ
_VISITS: Final = 16
_BITS_A_BYTE: Final = 9  # eight and the acknowledgement: NXP UM10204, section 3.1.5


class Clock:
    """Time that passes between visits only, in ns."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns


class Wire:
    """A bus that counts what passes."""

    def __init__(self, bus: SimBus) -> None:
        self.bits = 0
        self.bytes = 0
        """Addresses included."""
        self._bus = bus

    def transfer(self, address: int, messages: Sequence[bytes | int]) -> bytes:
        """Run messages in one transfer; see `buses.i2cdev.Adapter`."""
        sizes = [m if isinstance(m, int) else len(m) for m in messages]
        count = len(sizes) + sum(sizes)
        self.bytes += count
        # A start before each message and a stop behind the last.
        self.bits += count * _BITS_A_BYTE + len(sizes) + 1
        return self._bus.transfer(address, messages)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class Traffic(NamedTuple):
    """What came of running a driver: rows, and what they cost on the wire."""

    rows: int
    bits: int
    bytes: int
    seconds: float

    @property
    def bits_per_s(self) -> float:
        return self.bits / self.seconds


class _Made(Protocol):
    """How the driver of a chip on I2C is made, beyond what every driver offers."""

    def Driver(  # noqa: N802
        self,
        options: msgspec.Struct,
        connect: Callable[[I2cOptions, str], Registers],
        clock: Callable[[], int],
    ) -> Driver: ...


def measure(driver: str, options: I2cOptions, visits: int = _VISITS) -> Traffic | None:
    """Run a driver with these options; None when its chip cannot be simulated."""
    alone = {
        name: value
        for name, value in (("bus", "sim"), ("mux", None), ("interrupt_gpio", None))
        if hasattr(options, name)
    }
    clock = Clock()
    wires: list[Wire] = []

    def connect(options: I2cOptions, chip: str) -> Registers:
        module = import_module(f"sensorml.sim.chips.{chip}")
        simulated: RegisterChip = module.Chip(Machine(options.machine), clock)
        wires.append(Wire(SimBus({options.address: simulated})))
        return I2cConnection(wires[-1], options, chip)

    module = cast("_Made", plugins.driver(driver))
    made = module.Driver(msgspec.structs.replace(options, **alone), connect, clock)
    try:
        made.start()
        return _run(made, wires[-1], clock, visits)
    except (ModuleNotFoundError, SensormlError):
        return None
    finally:
        made.stop()


def _run(driver: Driver, wire: Wire, clock: Clock, visits: int) -> Traffic:
    begun_ns, bits, sent = clock.now_ns, wire.bits, wire.bytes
    rows = 0
    for visit in range(1, visits + 1):
        clock.now_ns = begun_ns + round(visit * driver.period_s * 1e9)
        if (block := driver.read()) is not None:
            rows += len(block.samples)
    return Traffic(rows, wire.bits - bits, wire.bytes - sent, visits * driver.period_s)


def report(
    sensors: Mapping[str, Sensor], buses: Mapping[str, Bus], file: str
) -> tuple[list[Problem], list[Problem]]:
    """Return what is wrong with the load of the buses, and what to mind.

    Args:
        sensors: by their place in the file, "sensor[0]".
        buses: the `[[bus]]` tables by theirs.
        file: what the places are in.
    """
    wrong, speeds = _speeds(sensors.values(), buses, file)
    mind: list[Problem] = []
    for bus, shares in _shares(sensors).items():
        total = sum(share.bits_per_s for share in shares)
        heaviest = max(shares, key=lambda share: share.bits_per_s)
        who = ", ".join(f"{each.name} {_kilo(each.bits_per_s)}" for each in shares)
        what = f"{bus} would carry {_kilo(total)} kbit/s ({who})"
        key, most_hz = f"{heaviest.place}.rate_hz", speeds.get(bus, FAST_HZ)
        if total > most_hz:
            cure = (
                f"a bus at {_kilo(most_hz)} kHz carries {_kilo(most_hz)}, lower "
                f"rate_hz of {heaviest.name}, move one to another bus, or use SPI"
            )
            wrong.append(Problem(file, key, what, cure))
        elif bus not in speeds and total > USUAL_HZ:
            mind.append(Problem(file, key, what, _set_faster(bus, total)))
    return wrong, mind


class _Share(NamedTuple):
    place: str
    name: str
    bits_per_s: float


def _shares(sensors: Mapping[str, Sensor]) -> dict[str, list[_Share]]:
    """Return what every sensor whose load is known puts on its bus, by thread."""
    shares: dict[str, list[_Share]] = {}
    for place, (name, driver, options, *_) in sensors.items():
        if not isinstance(options, I2cOptions) or not _is_wire(options.bus):
            continue
        if (traffic := measure(driver, options)) is not None:
            share = _Share(place, name, traffic.bits_per_s)
            shares.setdefault(options.thread, []).append(share)
    return shares


def _is_wire(bus: int | str) -> bool:
    """Say whether it is an I2C bus: every simulated chip has one of its own."""
    return isinstance(bus, int) or not bus.startswith(("sim", "spi"))


def _speeds(
    sensors: Iterable[Sensor], buses: Mapping[str, Bus], file: str
) -> tuple[list[Problem], dict[str, int]]:
    """Return what is wrong with the `[[bus]]` tables, and what they say, by thread."""
    there = {getattr(sensor.options, "thread", None) for sensor in sensors}
    wrong: list[Problem] = []
    speeds: dict[str, int] = {}
    for place, bus in buses.items():
        name = bus_name(bus.number)
        if name not in there:
            what, cure = f"no sensor is on bus {bus.number}", "correct or remove it"
            wrong.append(Problem(file, f"{place}.number", what, cure))
        elif name in speeds:
            what = f"bus {bus.number} has two tables"
            wrong.append(Problem(file, f"{place}.number", what, "remove one"))
        speeds[name] = bus.speed_hz
    return wrong, speeds


def _set_faster(bus: str, total: float) -> str:
    how = "its adapter at 400 kHz"
    if bus.removeprefix("i2c-").isdecimal():
        how = "dtparam=i2c_arm_baudrate=400000 in config.txt"
    if total > _PI_3_HZ:
        how += f" (on a Pi 3 that is {_kilo(_PI_3_HZ)} kHz, too little)"
    return (
        f"needs {how}; once it is so, write [[bus]] with number and speed_hz = 400000"
    )


def _kilo(value: float) -> str:
    return f"{value / 1000:.3g}"
