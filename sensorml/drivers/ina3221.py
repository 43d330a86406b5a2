"""INA3221: voltage, current and power of three supplies up to 26 V, on I2C.

Data sheet: TI SBOS576, sections "Configuration", "Channel-1 Shunt-Voltage",
"Channel-1 Bus-Voltage" and "Die ID". The lowest three bits of a voltage are unused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import recognise
from sensorml.buses import i2c
from sensorml.errors import OptionError, SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

IDENTITY = Identity(0xFF, {0x32: "INA3221"}, length=2)  # 0x3220: 0 is the revision
MAX_RATE_HZ = 5.0  # three channels, 16 conversions of 1.1 ms per voltage: 106 ms

_CONFIGURATION = 0x00
_CHANNELS_ON = {1: 0x4000, 2: 0x2000, 3: 0x1000}
# average of 16, both converters at 1.1 ms, shunt and bus continuously
_RUN = 0x0527
_POWER_DOWN = b"\x05\x20"

_SHUNT_V = 40e-6
_BUS_V = 8e-3
_FULL_SCALE_V = 4095 * _SHUNT_V
_MOST_V = 26.0


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ina3221"`."""

    address: Annotated[int, Meta(ge=0x40, le=0x43)] = 0x40
    """0x40 to 0x43, by the connection of the pin A0."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    inputs: Annotated[
        tuple[Literal[1, 2, 3], ...], Meta(min_length=1, max_length=3)
    ] = (1, 2, 3)
    """The channels that are measured, in this order."""
    shunt_ohm: Annotated[float, Meta(ge=1e-6, le=10_000)] = 0.1
    """The shunt of every channel; most boards have 0.1 Ω, for ±1.6 A."""

    def __post_init__(self) -> None:
        if len(set(self.inputs)) < len(self.inputs):
            raise OptionError("inputs has a channel twice", "remove one")


class Reading(NamedTuple):
    """The voltages on the shunt and on the bus of one channel."""

    shunt_v: float
    bus_v: float


def channels(options: Options) -> Sequence[Channel]:
    kinds = (("voltage", "V"), ("current", "A"), ("power", "W"))
    return tuple(
        Channel(f"{name}_{number}", unit)
        for number in options.inputs
        for name, unit in kinds
    )


def decode(shunt: bytes, bus: bytes) -> Reading:
    """Turn both registers of a channel into volts.

    The data sheet has -80 mV on the shunt as 0xC180, and full scale as 0x7FF8:

    >>> [decode(bytes.fromhex(raw), bytes(2)).shunt_v for raw in ("c180", "7ff8")]
    [-0.08, 0.1638]
    >>> decode(bytes(2), bytes.fromhex("2ee0")).bus_v
    12.0
    """
    return Reading(
        round((int.from_bytes(shunt, "big", signed=True) >> 3) * _SHUNT_V, 5),
        round((int.from_bytes(bus, "big", signed=True) >> 3) * _BUS_V, 3),
    )


class Driver:
    """One INA3221, which averages continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._chip = PolledChip(options, "ina3221", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        found = recognise(bus, IDENTITY)
        if not found.name:
            raise SensorError(
                f"{bus}: identity register {IDENTITY.register:#04x} is "
                f"{found.value:#04x}, that of no INA3221: write driver = "
                '"ina219" for an INA219 or INA220, which has no identity'
            )
        on = sum(_CHANNELS_ON[number] for number in self._options.inputs)
        self._chip.configure({_CONFIGURATION: (_RUN | on).to_bytes(2, "big")})
        return found.warning

    def read(self) -> Block:
        readings = [self._reading(number) for number in self._options.inputs]
        values: list[float] = []
        for shunt_v, bus_v in readings:
            current_a = shunt_v / self._options.shunt_ohm
            values += bus_v, current_a, bus_v * current_a
        clipped = any(abs(each.shunt_v) >= _FULL_SCALE_V for each in readings)
        return self._chip.row(values, clipped=clipped)

    def _reading(self, number: int) -> Reading:
        bus, shunt = self._chip.bus, 2 * number - 1
        reading = decode(bus.read(shunt, 2), bus.read(shunt + 1, 2))
        if not 0 <= reading.bus_v <= _MOST_V:
            raise self._chip.impossible(
                f"{reading.bus_v} V on channel {number}: an INA3221 measures 0 to 26 V"
            )
        return reading

    def stop(self) -> None:
        self._chip.close({_CONFIGURATION: _POWER_DOWN})
