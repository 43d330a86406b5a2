"""MAX31865: a platinum resistance thermometer, PT100 or PT1000, on SPI.

Data sheet: Maxim MAX31865 (19-6478 Rev 3), "Internal Registers" (Tables 1 to 8). The
curve is that of IEC 60751 (Callendar and Van Dusen).

A cable that breaks or is shorted later is found by the thresholds, which are those of
the curve's ends; the other faults by the fault-detection cycle of a start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledSpiOptions, Rate
from sensorml.buses import spi
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"),)
MAX_RATE_HZ: Final = 10.0
SPI = spi.Framing(mode=1, read=0, write=0x80)

_CONFIG, _RTD, _HIGH, _LOW, _FAULTS = 0x00, 0x01, 0x03, 0x05, 0x07
_REGISTERS = 8

_BIAS, _AUTOMATIC, _3_WIRES = 0x80, 0x40, 0x10
_DETECT, _DETECTING, _CLEAR, _50_HZ = 0x04, 0x0C, 0x02, 0x01
_POLLS = 4000
"""Reads until a fault-detection cycle counts as failed; it takes 0.6 ms."""
_SENTENCES = {
    0x04: "a voltage at its inputs is above the supply or below ground: check the "
    "wires for a short to VCC or to another circuit",
    0x80: "the resistance is above that of 850 °C: check for an open wire, the "
    "screws, and the keys rtd and reference_ohm",
    0x40: "the resistance is below that of -200 °C: check the wires for a short, and "
    "the keys rtd, wires and reference_ohm",
    0x20: "a wire of the thermometer is open, or shorted to VCC: check its connections",
    0x10: "a wire of the thermometer is shorted to ground (GND), or FORCE- is open: "
    "check its connections",
    0x08: "a wire of the thermometer is shorted to ground (GND), or FORCE- is open: "
    "check its connections",
}
"""By the bits of the fault status (Table 7); the first that is set counts."""

_A, _B, _C = 3.9083e-3, -5.775e-7, -4.183e-12
_COLDEST, _HOTTEST = 0.1852, 3.9048
"""The ratios to the resistance at 0 °C at -200 and 850 °C."""


class Options(PolledSpiOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "max31865"`."""

    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    rtd: Literal["PT100", "PT1000"] = "PT100"
    wires: Literal[2, 3, 4] = 4
    """As the board is set, too: most have bridges for it."""
    reference_ohm: Annotated[float, Meta(ge=100, le=20_000)] | None = None
    """The reference resistor on the board; by default 430 or 4300 Ω, as most have."""
    mains_hz: Literal[50, 60] = 50
    """Its noise is filtered out."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def celsius(ratio: float) -> float:
    """Turn a resistance, as its ratio to that at 0 °C, into °C (IEC 60751).

    >>> [round(celsius(ratio), 2) for ratio in (0.1852, 0.60256, 1.38505, 3.90481)]
    [-200.0, -100.0, 100.0, 850.0]
    """
    above = (math.sqrt(_A * _A - 4 * _B * (1 - ratio)) - _A) / (2 * _B)
    if ratio >= 1:
        return above
    t = above
    for _ in range(4):
        curve = 1 + _A * t + _B * t**2 + _C * (t - 100) * t**3
        slope = _A + 2 * _B * t + _C * (4 * t - 300) * t**2
        t -= (curve - ratio) / slope
    return t


def decode(raw: bytes, reference: float) -> float:
    """Turn the two bytes of the RTD registers into a ratio to the resistance at 0 °C.

    Args:
        raw: 15 bits, then that of a fault.
        reference: the reference resistor, as its ratio to the resistance at 0 °C.

    Table 9, with 400 Ω for a PT100, has 0x2000 for 0 °C and 0x2C52 for 100 °C:

    >>> [round(decode((code << 1).to_bytes(2, "big"), 4.0), 3)
    ...     for code in (0x2000, 0x2C52)]
    [1.0, 1.385]
    """
    return (int.from_bytes(raw, "big") >> 1) * reference / 2**15


class Driver:
    """One MAX31865, which converts continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], spi.SpiConnection] = SPI.select,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        at_0 = {"PT100": 100, "PT1000": 1000}[options.rtd]
        self._reference = (options.reference_ohm or 4.3 * at_0) / at_0
        self._setting = (
            _BIAS
            | (_3_WIRES if options.wires == 3 else 0)
            | (_50_HZ if options.mains_hz == 50 else 0)
        )
        self._chip = PolledChip(options, "max31865", connect, clock)

    def start(self) -> None:
        self._chip.open()
        self._registers()
        # The filter must not be changed while the chip converts.
        self._chip.configure(
            {
                _CONFIG: bytes((self._setting,)),
                _HIGH: self._threshold(_HOTTEST),
                _LOW: self._threshold(_COLDEST),
            }
        )
        self._detect()
        self._chip.configure({_CONFIG: bytes((self._setting | _AUTOMATIC,))})

    def read(self) -> Block:
        registers = self._registers()
        self._chip.check()
        self._raise_for(registers[_FAULTS])
        ratio = decode(registers[_RTD:_HIGH], self._reference)
        if not _COLDEST <= ratio <= _HOTTEST:
            raise self._chip.impossible(
                f"{ratio:.3f} of the resistance at 0 °C: outside what a platinum "
                "thermometer has, check its wiring"
            )
        return self._chip.row((celsius(ratio),))

    def stop(self) -> None:
        self._chip.close({_CONFIG: b"\0"})

    def _registers(self) -> bytes:
        """Read all registers.

        Raises:
            BusError: there is no chip: all bits are the same.
        """
        registers = self._chip.bus.read(_CONFIG, _REGISTERS)
        if registers in {bytes(_REGISTERS), b"\xff" * _REGISTERS}:
            raise self._chip.bus.nobody()
        return registers

    def _threshold(self, ratio: float) -> bytes:
        code = min(round(ratio / self._reference * 2**15), 2**15 - 1)
        return (code << 1).to_bytes(2, "big")

    def _detect(self) -> None:
        """Run a fault-detection cycle.

        Raises:
            SensorError: there is a fault, or the cycle does not end.
        """
        bus = self._chip.bus
        bus.write(_CONFIG, bytes((self._setting | _CLEAR,)))
        bus.write(_CONFIG, bytes((self._setting | _DETECT,)))
        if all(bus.read(_CONFIG, 1)[0] & _DETECTING for _ in range(_POLLS)):
            raise self._chip.impossible(
                "its search for faults does not end: replace it"
            )
        # A resistance is compared with the thresholds at every conversion.
        self._raise_for(bus.read(_FAULTS, 1)[0] & 0x3C)

    def _raise_for(self, faults: int) -> None:
        for bit, sentence in _SENTENCES.items():
            if faults & bit:
                raise self._chip.impossible(sentence)
