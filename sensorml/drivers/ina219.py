"""INA219: voltage, current and power of a supply up to 26 V, on I2C.

Data sheet: TI SBOS448, sections "Configuration Register", "Shunt Voltage
Register" and "Bus Voltage Register". The chip's own current and power registers
are not used, because they overflow silently and are less exact than a division.

An INA220 has the same registers. Neither has an identity; an INA226 or INA3221 has one
(SBOS547, SBOS576, "Manufacturer ID", "Die ID") and is refused, because its units are
others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.buses import i2c
from sensorml.errors import SensorError
from sensorml.interfaces import Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("voltage", "V"), Channel("current", "A"), Channel("power", "W"))
MAX_RATE_HZ = 5.0  # both voltages averaged over 128 samples: 136 ms

_CONFIGURATION = 0x00
_SHUNT = 0x01
_BUS = 0x02

# 32 V, ±320 mV, both converters at 128 samples, shunt and bus continuously
_RUN = b"\x3f\xff"
_POWER_DOWN = b"\x39\x98"

_MAKER, _TI = 0xFE, b"TI"
_DIE = 0xFF
_RELATIVES = {0x22: "ina226", 0x32: "ina3221"}
"""Drivers by the first byte of the die's identity."""

_SHUNT_V = 10e-6
_BUS_V = 4e-3
_FULL_SCALE_V = 0.32
_MOST_V = 32.0


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ina219"`."""

    address: Annotated[int, Meta(ge=0x40, le=0x4F)] = 0x40
    """0x40 to 0x4F, by the connection of the pins A0 and A1."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    shunt_ohm: Annotated[float, Meta(ge=1e-6, le=10_000)] = 0.1
    """The shunt; most boards have 0.1 Ω, for ±3.2 A."""


class Reading(NamedTuple):
    """The voltages on the shunt and on the bus."""

    shunt_v: float
    bus_v: float


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(shunt: bytes, bus: bytes) -> Reading:
    """Turn both registers into volts; the lowest bits of the bus are flags.

    The data sheet's worked example has 20 mV on the shunt and 11.98 V; full
    scale of the shunt is ±320 mV:

    >>> decode(bytes.fromhex("07d0"), bytes.fromhex("5d98"))
    Reading(shunt_v=0.02, bus_v=11.98)
    >>> [decode(bytes.fromhex(r), bytes(2)).shunt_v for r in ("7d00", "8300")]
    [0.32, -0.32]
    """
    return Reading(
        round(int.from_bytes(shunt, "big", signed=True) * _SHUNT_V, 5),
        round((int.from_bytes(bus, "big") >> 3) * _BUS_V, 3),
    )


class Driver:
    """One INA219, which averages continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._shunt_ohm = options.shunt_ohm
        self._chip = PolledChip(options, "ina219", connect, clock)

    def start(self) -> None:
        bus = self._chip.open()
        die = bus.read(_DIE, 2)[0] if bus.read(_MAKER, 2) == _TI else None
        if die in _RELATIVES:
            raise SensorError(
                f"{bus}: it has the identity of {_RELATIVES[die].upper()}, whose units "
                f'are others: write driver = "{_RELATIVES[die]}"'
            )
        self._chip.configure({_CONFIGURATION: _RUN})

    def read(self) -> Block:
        bus = self._chip.bus
        shunt_v, bus_v = decode(bus.read(_SHUNT, 2), bus.read(_BUS, 2))
        if bus_v > _MOST_V or abs(shunt_v) > _FULL_SCALE_V:
            raise self._chip.impossible(
                f"{bus_v} V and {shunt_v} V on the shunt: more than an INA219 measures"
            )
        current_a = shunt_v / self._shunt_ohm
        return self._chip.row(
            (bus_v, current_a, bus_v * current_a),
            clipped=abs(shunt_v) == _FULL_SCALE_V,
        )

    def stop(self) -> None:
        self._chip.close({_CONFIGURATION: _POWER_DOWN})
