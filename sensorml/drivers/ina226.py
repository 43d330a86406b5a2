"""INA226: voltage, current and power of a supply up to 36 V, on I2C.

Data sheet: TI SBOS547, sections "Configuration Register", "Shunt Voltage
Register", "Bus Voltage Register" and "Manufacturer ID Register". The chip's own
current and power registers are not used, because a division is more exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import recognise
from sensorml.buses import i2c
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("voltage", "V"), Channel("current", "A"), Channel("power", "W"))
IDENTITY = Identity(0xFF, {0x22: "INA226"}, length=2)  # 0x2260: 0 is the revision
MAX_RATE_HZ = 5.0  # both voltages, 64 conversions of 1.1 ms each: 141 ms

_CONFIGURATION = 0x00
_SHUNT = 0x01
_BUS = 0x02

# average of 64, both converters at 1.1 ms, shunt and bus continuously
_RUN = b"\x47\x27"
_POWER_DOWN = b"\x41\x20"

_SHUNT_V = 2.5e-6
_BUS_V = 1.25e-3
_TOP, _BOTTOM = 0x7FFF * _SHUNT_V, -0x8000 * _SHUNT_V


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ina226"`."""

    address: Annotated[int, Meta(ge=0x40, le=0x4F)] = 0x40
    """0x40 to 0x4F, by the connection of the pins A0 and A1."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    shunt_ohm: Annotated[float, Meta(ge=1e-6, le=10_000)] = 0.1
    """The shunt; full scale is ±81.92 mV, ±0.8 A at 0.1 Ω."""


class Reading(NamedTuple):
    """The voltages on the shunt and on the bus."""

    shunt_v: float
    bus_v: float


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(shunt: bytes, bus: bytes) -> Reading:
    """Turn both registers into volts.

    The data sheet's worked example has 20 mV on the shunt and 11.98 V; an 80 mV
    drop the other way is 0x8300:

    >>> decode(bytes.fromhex("1f40"), bytes.fromhex("2570"))
    Reading(shunt_v=0.02, bus_v=11.98)
    >>> decode(bytes.fromhex("8300"), bytes(2)).shunt_v
    -0.08
    """
    return Reading(
        round(int.from_bytes(shunt, "big", signed=True) * _SHUNT_V, 7),
        round(int.from_bytes(bus, "big") * _BUS_V, 5),
    )


class Driver:
    """One INA226, which averages continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._shunt_ohm = options.shunt_ohm
        self._chip = PolledChip(options, "ina226", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        found = recognise(bus, IDENTITY)
        if not found.name:
            raise SensorError(
                f"{bus}: identity register {IDENTITY.register:#04x} is "
                f"{found.value:#04x}, that of no INA226: write driver = "
                '"ina219" for an INA219 or INA220, which has other units and no '
                "identity"
            )
        self._chip.configure({_CONFIGURATION: _RUN})
        return found.warning

    def read(self) -> Block:
        bus = self._chip.bus
        raw_shunt, raw_bus = bus.read(_SHUNT, 2), bus.read(_BUS, 2)
        if raw_bus[0] & 0x80:
            raise self._chip.impossible(
                f"bus voltage {raw_bus.hex()}: its top bit is always 0 on an INA226"
            )
        shunt_v, bus_v = decode(raw_shunt, raw_bus)
        current_a = shunt_v / self._shunt_ohm
        return self._chip.row(
            (bus_v, current_a, bus_v * current_a),
            clipped=not _BOTTOM < shunt_v < _TOP,
        )

    def stop(self) -> None:
        self._chip.close({_CONFIGURATION: _POWER_DOWN})
