"""LM75 and its siblings: temperature, 9 to 12 bits, on I2C.

Data sheets: TI SNIS153 (LM75B, LM75C), sections "Temperature Register",
"Configuration Register" and "Temperature Data Format"; NXP LM75B and PCT2075, the same
sections (11 bits); TI SBOS397 (TMP102) and SBOS288 (TMP75), "Configuration Register"
(12 bits, and the bits R1 and R0).

They have the same registers and no identity, so `chip` names the one that is there. As
"lm75" all of them work; the bits below 0.5 °C, which an LM75 leaves undefined, are then
dropped. TI's LM75B has 9 bits, NXP's has 11. A TMP102 is recognised: its R1 and R0
always read 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.buses import i2c
from sensorml.interfaces import Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"),)
MAX_RATE_HZ = 2.0  # a conversion takes up to 300 ms

_TEMPERATURE = 0x00
_CONFIGURATION = 0x01

_QUEUE_OF_4 = 0x10  # affects only the pin OS; differs from the default
_12_BITS = 0x60  # R1 and R0
_4_HZ = 0xA0  # the second byte of a TMP102: after power-on, not the extended mode
_SHUTDOWN = 0x01
_MOST_C = 125.0
_BITS = {"lm75": 9, "lm75b": 11, "pct2075": 11, "tmp75": 12, "tmp102": 12}


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "lm75"`."""

    address: Annotated[int, Meta(ge=0x48, le=0x4F)] = 0x48
    """0x48 to 0x4F, by the pins A0 to A2."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    chip: Literal["lm75", "lm75b", "pct2075", "tmp75", "tmp102"] = "lm75"
    """"lm75b": NXP's, 0.125 °C, as pct2075; tmp75, tmp102 (TMP112): 0.0625 °C."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes, bits: int = 9) -> float:
    """Turn the temperature register into °C (data sheets, "Temperature Data Format").

    >>> [decode(bytes.fromhex(raw)) for raw in ("7d00", "1900", "0080")]
    [125.0, 25.0, 0.5]
    >>> [decode(bytes.fromhex(raw)) for raw in ("ff80", "e700", "c900")]
    [-0.5, -25.0, -55.0]

    NXP's table for the LM75B, and TI's for the TMP102:

    >>> [decode(bytes.fromhex(raw), 11) for raw in ("7ee0", "0020", "ffe0", "c920")]
    [126.875, 0.125, -0.125, -54.875]
    >>> [decode(bytes.fromhex(raw), 12) for raw in ("7ff0", "0010", "ffc0", "c900")]
    [127.9375, 0.0625, -0.25, -55.0]
    """
    unused = 16 - bits
    return (int.from_bytes(raw, "big", signed=True) >> unused) * 2.0 ** (8 - bits)


class Driver:
    """One LM75 or sibling, which converts continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._configured = options.chip
        self._found: str = options.chip
        self._chip = PolledChip(options, "lm75", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        bus.write(_CONFIGURATION, bytes((_QUEUE_OF_4,)))
        always_12 = bus.read(_CONFIGURATION, 1)[0] == _QUEUE_OF_4 | _12_BITS
        self._found = "tmp102" if always_12 else self._configured
        if always_12:
            value = _QUEUE_OF_4 | _12_BITS
            bus.write(_CONFIGURATION, bytes((value, _4_HZ)))
            # The second byte has a flag of the alert.
            self._chip.expect({_CONFIGURATION: bytes((value,))})
        else:
            bits = _12_BITS if _BITS[self._found] == 12 else 0
            self._chip.configure({_CONFIGURATION: bytes((_QUEUE_OF_4 | bits,))})
        if self._found == self._configured:
            return None
        return (
            f"{bus}: the bits R1 and R0 always read 1, as those of a TMP102 or TMP112: "
            'it is read as that, write chip = "tmp102"'
        )

    def read(self) -> Block:
        celsius = decode(self._chip.bus.read(_TEMPERATURE, 2), _BITS[self._found])
        if not -55 <= celsius <= _MOST_C:
            raise self._chip.impossible(f"{celsius} °C: outside what an LM75 measures")
        return self._chip.row((celsius,))

    def stop(self) -> None:
        second = (_4_HZ,) if self._found == "tmp102" else ()
        self._chip.close({_CONFIGURATION: bytes((_SHUTDOWN, *second))})
