"""MCP9600: a thermocouple, linearised and cold-junction compensated, on I2C.

Data sheet: Microchip DS20005426, sections 5.1.1 (hot junction), 5.1.3 (cold
junction), 5.2.1 (status), 5.2.2 (sensor configuration), 5.2.3 (device
configuration) and 5.3.2 (alert hysteresis). An MCP9601 is read as an MCP9600; its
detection of a short circuit is not used, because a grounded thermocouple triggers it.

It stretches the clock, and the I2C controller of a Raspberry Pi before the Pi 5 may
then read wrong bytes. Use an i2c-gpio overlay, or a slow bus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import identify
from sensorml.buses import i2c
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"), Channel("cold_junction", "degC"))
IDENTITY = Identity(0x20, {0x40: "MCP9600", 0x41: "MCP9601"}, length=2)
MAX_RATE_HZ = 2.0  # a conversion with 18 bits takes 320 ms

_HOT = 0x00
_COLD = 0x02
_STATUS = 0x04
_SENSOR = 0x05
_DEVICE = 0x06
_ALERT_1_HYSTERESIS = 0x0C

_OUT_OF_RANGE = 0x10
_NORMAL = b"\x00"  # 18 bits, cold junction in steps of 0.0625 °C
_SHUTDOWN = b"\x01"
_MARK = b"\x50"  # 80 °C, without effect: alert 1 is off; all else has its default
_TYPE = {"K": 0, "J": 1, "T": 2, "N": 3, "S": 4, "E": 5, "B": 6, "R": 7}


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "mcp9600"`."""

    address: Annotated[int, Meta(ge=0x60, le=0x67)] = 0x67
    """0x60 to 0x67, by the voltage at the pin ADDR; most boards use 0x67."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    thermocouple: Literal["K", "J", "T", "N", "S", "E", "B", "R"] = "K"


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes) -> float:
    """Turn a temperature register into °C: 16 bits, two's complement, 1/16 °C.

    >>> [decode(bytes.fromhex(raw)) for raw in ("0190", "0001", "fff0", "4b00")]
    [25.0, 0.0625, -1.0, 1200.0]
    """
    return int.from_bytes(raw, "big", signed=True) / 16


class Driver:
    """One MCP9600, which converts continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._type = options.thermocouple
        self._chip = PolledChip(options, "mcp9600", connect, clock)

    def start(self) -> str | None:
        warning = identify(self._chip.open(), IDENTITY)
        self._chip.configure(
            {
                _SENSOR: bytes((_TYPE[self._type] << 4,)),
                _DEVICE: _NORMAL,
                _ALERT_1_HYSTERESIS: _MARK,
            }
        )
        return warning

    def read(self) -> Block:
        bus = self._chip.bus
        if bus.read(_STATUS, 1)[0] & _OUT_OF_RANGE:
            raise self._chip.impossible(
                f"the voltage is outside the range of type {self._type}: check that "
                "the thermocouple is connected, and its type"
            )
        hot, cold = decode(bus.read(_HOT, 2)), decode(bus.read(_COLD, 2))
        if not (-250 <= hot <= 1850 and -40 <= cold <= 125):
            raise self._chip.impossible(
                f"{hot} °C, cold junction {cold} °C: outside what an MCP9600 measures"
            )
        return self._chip.row((hot, cold))

    def stop(self) -> None:
        self._chip.close({_DEVICE: _SHUTDOWN})
