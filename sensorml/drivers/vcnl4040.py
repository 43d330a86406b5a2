"""VCNL4040: proximity and brightness, on I2C.

Data sheet: Vishay 84274, "Command Register Format" (Tables 1 to 16) and
"Ambient Light Sensing" (resolution by integration time).

Proximity is a count of reflected light, without a unit. It is larger for near objects,
and depends on their colour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import identify
from sensorml.buses import i2c
from sensorml.errors import OptionError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("proximity", ""), Channel("illuminance", "lx"))
IDENTITY = Identity(0x0C, {0x86: "VCNL4040"}, length=2)  # 0x0186, the low byte first
MAX_RATE_HZ = 10.0

_ALS_CONF = 0x00
_PS_CONF_1_2 = 0x03
_PS_CONF_3_MS = 0x04
_PS_DATA = 0x08
_ALS_DATA = 0x09

_SHUTDOWN = b"\x01\x00"
_PROXIMITY_16_BIT = b"\x0e\x08"  # on, integration 8T, 16 bits
_FULL = 0xFFFF
_INTEGRATION = {80: 0, 160: 1, 320: 2, 640: 3}
_LED = {50: 0, 75: 1, 100: 2, 120: 3, 140: 4, 160: 5, 180: 6, 200: 7}


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "vcnl4040"`."""

    address: Annotated[int, Meta(ge=0x60, le=0x60)] = 0x60
    """The chip has a fixed address."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    integration_ms: Literal[80, 160, 320, 640] = 80
    """The integration time of light: 80 ms for up to 6553 lx; a longer time has a finer
    resolution and a lower maximum."""
    led_ma: Literal[50, 75, 100, 120, 140, 160, 180, 200] = 100

    def __post_init__(self) -> None:
        if self.rate_hz * self.integration_ms > 800:
            raise OptionError(
                f"rate_hz = {self.rate_hz:g} leaves no time for integration_ms = "
                f"{self.integration_ms}",
                "lower one of them",
            )


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(proximity: bytes, light: bytes, integration_ms: int) -> tuple[float, float]:
    """Turn both data registers into counts and lux, the low byte first.

    A step is 0.1 lx at 80 ms and 0.0125 lx at 640 ms ("Ambient Light Sensing"):

    >>> decode(bytes.fromhex("0001"), bytes.fromhex("e803"), 80)
    (256.0, 100.0)
    >>> decode(bytes.fromhex("0001"), bytes.fromhex("e803"), 640)
    (256.0, 12.5)
    """
    steps = int.from_bytes(light, "little")
    return float(int.from_bytes(proximity, "little")), steps * 8 / integration_ms


class Driver:
    """One VCNL4040, which measures continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._options = options
        self._chip = PolledChip(options, "vcnl4040", connect, clock)

    def start(self) -> str | None:
        warning = identify(self._chip.open(), IDENTITY)
        self._chip.configure(
            {
                _ALS_CONF: bytes((_INTEGRATION[self._options.integration_ms] << 6, 0)),
                _PS_CONF_3_MS: bytes((0, _LED[self._options.led_ma])),
                _PS_CONF_1_2: _PROXIMITY_16_BIT,
            }
        )
        return warning

    def read(self) -> Block:
        bus = self._chip.bus
        raw = bus.read(_PS_DATA, 2), bus.read(_ALS_DATA, 2)
        clipped = any(int.from_bytes(each, "little") == _FULL for each in raw)
        return self._chip.row(
            decode(*raw, self._options.integration_ms), clipped=clipped
        )

    def stop(self) -> None:
        self._chip.close({_ALS_CONF: _SHUTDOWN, _PS_CONF_1_2: _SHUTDOWN})
