"""MAX31855: a thermocouple, cold-junction compensated, on SPI.

Data sheet: Maxim MAX31855 (19-5793 Rev 5), "Serial-Interface Protocol", Tables 2 to 5.
The type of the thermocouple is in the name of the part (MAX31855K). The chip can only
be read: it has no registers, and never sleeps.

Without a chip all bits read the same. 0 °C at both junctions are all zeros, too, and
count as a chip that is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledSpiOptions, Rate
from sensorml.buses import spi
from sensorml.types import Block, Channel

CHANNELS = (Channel("temperature", "degC"), Channel("cold_junction", "degC"))
MAX_RATE_HZ: Final = 10.0  # a conversion takes 100 ms at most
SPI = spi.Framing(mode=0, read=0)

_LENGTH = 4
_RESERVED = 1 << 17 | 1 << 3
_FAULT = 1 << 16
_FAULTS = {
    4: "the thermocouple is shorted to the supply (VCC): check its wires and their "
    "insulation",
    2: "the thermocouple is shorted to ground (GND): use an insulated junction, and "
    "check its wires",
    1: "the thermocouple is open: check that it is connected, its wires and screws",
}


class Options(PolledSpiOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "max31855"`."""

    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


class Reading(NamedTuple):
    """The 32 bits of one read."""

    hot_c: float
    cold_c: float
    faults: int
    """SCV, SCG and OC as 4, 2 and 1."""


def decode(raw: bytes) -> Reading:
    """Turn the four bytes into a reading (Tables 2, 4 and 5).

    >>> [decode(bytes.fromhex(raw))[:2] for raw in ("64007f00", "064c6490")]
    [(1600.0, 127.0), (100.75, 100.5625)]
    >>> [decode(bytes.fromhex(raw))[:2] for raw in ("fffcfff0", "f060c900")]
    [(-0.25, -0.0625), (-250.0, -55.0)]
    """
    hot = int.from_bytes(raw[:2], "big", signed=True) >> 2
    cold = int.from_bytes(raw[2:], "big", signed=True) >> 4
    return Reading(hot / 4, cold / 16, raw[3] & 7)


class Driver:
    """One MAX31855, which converts continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], spi.SpiConnection] = SPI.select,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._chip = PolledChip(options, "max31855", connect, clock)

    def start(self) -> None:
        self._chip.open()
        self._reading()

    def read(self) -> Block:
        hot, cold, _ = self._reading()
        return self._chip.row((hot, cold))

    def stop(self) -> None:
        """Only disconnect: the chip cannot sleep."""
        self._chip.close({})

    def _reading(self) -> Reading:
        """Read the chip.

        Raises:
            BusError: there is none.
            SensorError: it reports a fault, or cannot be a MAX31855.
        """
        bus = self._chip.bus
        raw = bus.receive(_LENGTH)
        bits = int.from_bytes(raw, "big")
        if bits in {0, 0xFFFFFFFF}:
            raise bus.nobody()
        reading = decode(raw)
        if bits & _RESERVED or bool(bits & _FAULT) != bool(reading.faults):
            raise self._chip.impossible(
                f"{raw.hex()} is no answer of a MAX31855: check that it is one, and "
                "its wiring"
            )
        for fault, sentence in _FAULTS.items():
            if reading.faults & fault:
                raise self._chip.impossible(sentence)
        if not (-270 <= reading.hot_c <= 1800 and -40 <= reading.cold_c <= 125):
            raise self._chip.impossible(
                f"{reading.hot_c} °C, cold junction {reading.cold_c} °C: outside what "
                "a MAX31855 measures"
            )
        return reading
