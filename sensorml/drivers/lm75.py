"""LM75 temperature sensor: -55 to +125 °C in steps of 0.5 °C, on I2C.

Data sheet: TI SNIS153 (LM75B, LM75C), sections "Temperature Register",
"Configuration Register" and "Temperature Data Format". Relatives with more bits
(LM75A of NXP, TMP75) work, too; their bits below 0.5 °C are dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.buses import i2c
from sensorml.interfaces import Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"),)
MAX_RATE_HZ = 2.0  # a conversion takes up to 300 ms

_TEMPERATURE = 0x00
_CONFIGURATION = 0x01

_QUEUE_OF_4 = b"\x10"  # affects only the pin OS; differs from the default
_SHUTDOWN = b"\x01"


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "lm75"`."""

    address: Annotated[int, Meta(ge=0x48, le=0x4F)] = 0x48
    """0x48 to 0x4F, by the pins A0 to A2."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes) -> float:
    """Turn the temperature register into °C (data sheet, "Temperature Data Format").

    >>> [decode(bytes.fromhex(raw)) for raw in ("7d00", "1900", "0080")]
    [125.0, 25.0, 0.5]
    >>> [decode(bytes.fromhex(raw)) for raw in ("ff80", "e700", "c900")]
    [-0.5, -25.0, -55.0]
    """
    return (int.from_bytes(raw, "big", signed=True) >> 7) * 0.5


class Driver:
    """One LM75, which converts continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._chip = PolledChip(options, "lm75", connect, clock)

    def start(self) -> None:
        self._chip.open()
        self._chip.configure({_CONFIGURATION: _QUEUE_OF_4})

    def read(self) -> Block:
        celsius = decode(self._chip.bus.read(_TEMPERATURE, 2))
        if not -55 <= celsius <= 125:
            raise self._chip.nonsense(f"{celsius} °C: outside what an LM75 measures")
        return self._chip.row((celsius,))

    def stop(self) -> None:
        self._chip.close({_CONFIGURATION: _SHUTDOWN})
