"""ADS1115, the registers of a converter with four inputs.

Data sheet: TI SBAS444, sections "Register Map", "Config Register" and "Data
Format". Left out: the comparator and its pin.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip

_CONVERSION, _CONFIG, _LO_THRESH, _HI_THRESH = range(4)

_START = 0x8000
_SINGLE = 0x0100
_PAIRS = ((0, 1), (0, 3), (1, 3), (2, 3), (0, None), (1, None), (2, None), (3, None))
_RANGE_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)


class Chip(WideChip):
    """One ADS1115 with `volts` at its inputs, and an oscillator at `speed`."""

    RESET: ClassVar = {
        _CONVERSION: b"\x00\x00",
        _CONFIG: b"\x85\x83",
        _LO_THRESH: b"\x80\x00",
        _HI_THRESH: b"\x7f\xff",
    }
    READ_ONLY: ClassVar = frozenset({_CONVERSION})
    RATES_HZ: ClassVar[tuple[int, ...]] = (8, 16, 32, 64, 128, 250, 475, 860)
    BITS: ClassVar = 16

    def __init__(
        self,
        _machine: Machine | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        speed: float = 0.9,
    ) -> None:
        self.volts = [0.5, 1.0, 1.5, 2.0]
        self._clock = clock
        self._speed = speed
        super().__init__()

    @property
    def asleep(self) -> bool:
        self._catch_up()
        return self._done_ns is None

    def brown_out(self) -> None:
        super().brown_out()
        self._done_ns: float | None = None
        self._converting = _SINGLE

    def changed(self, register: int) -> None:
        config = self._config()
        if register != _CONFIG:
            return
        if not self._converting & _SINGLE:  # it would go on and on
            self._done_ns, self._converting = None, _SINGLE
        goes_on = not config & _SINGLE
        if not (goes_on or config & _START):
            return
        if goes_on or self._done_ns is None:  # the running one is not cut off
            self._convert(config)
        self.held[_CONFIG] = (config & ~_START).to_bytes(2, "big")

    def _convert(self, config: int) -> None:
        rate_hz = self.RATES_HZ[config >> 5 & 7] * self._speed
        self._done_ns = self._clock() + 1e9 / rate_hz
        self._converting = config

    def _config(self) -> int:
        return int.from_bytes(self.held[_CONFIG], "big")

    def _catch_up(self) -> None:
        if self._done_ns is None or self._clock() < self._done_ns:
            return
        config = self._converting
        if config & _SINGLE:
            self._done_ns = None
            self.held[_CONFIG] = (self._config() | _START).to_bytes(2, "big")
        else:
            self._convert(config)
        if self.frozen:
            return
        plus, minus = _PAIRS[config >> 12 & 7]
        volts = self.volts[plus] - (0.0 if minus is None else self.volts[minus])
        top = 1 << self.BITS - 1
        count = round(volts / _RANGE_V[config >> 9 & 7] * top)
        count = min(max(count, -top), top - 1) << 16 - self.BITS
        self.held[_CONVERSION] = count.to_bytes(2, "big", signed=True)
