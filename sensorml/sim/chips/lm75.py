"""LM75 and its siblings, the registers of temperature sensors.

Data sheets: TI SNIS153, sections "Temperature Register", "Configuration Register",
"T_HYST and T_OS Registers"; TI SBOS397 (TMP102), "Configuration Register". Left out:
the pin OS, the conversion rates and the extended mode of a TMP102.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from sensorml.sim.machine import Machine
from sensorml.sim.wide import WideChip

_TEMPERATURE, _CONFIGURATION, _THYST, _TOS = range(4)
_R1_R0 = 0x60
_BITS = {"lm75": 9, "lm75b": 11, "pct2075": 11, "tmp75": 12, "tmp102": 12}


class Chip(WideChip):
    """One LM75, as warm as `celsius`, or the sibling that `chip` names."""

    RESET: ClassVar = {
        _TEMPERATURE: b"\x00\x00",
        _CONFIGURATION: b"\x00",
        _THYST: b"\x4b\x00",
        _TOS: b"\x50\x00",
    }
    READ_ONLY: ClassVar = frozenset({_TEMPERATURE})

    def __init__(
        self,
        _machine: Machine | None = None,
        _clock: Callable[[], int] = time.monotonic_ns,
        *,
        chip: str = "lm75",
    ) -> None:
        self.celsius = 21.5
        self._chip = chip
        super().__init__()

    @property
    def asleep(self) -> bool:
        return bool(self.held[_CONFIGURATION][0] & 0x01)

    def brown_out(self) -> None:
        super().brown_out()
        if self._chip == "tmp102":
            self.held[_CONFIGURATION] = b"\x60\xa0"

    def value(self, register: int) -> bytes:
        if register == _TEMPERATURE and not (self.asleep or self.frozen):
            bits = self._bits
            steps = round(self.celsius * 2 ** (bits - 8)) << 16 - bits
            self.held[register] = steps.to_bytes(2, "big", signed=True)
        return super().value(register)

    @property
    def _bits(self) -> int:
        """The bits of a result; a TMP75 has fewer unless it is configured so."""
        if self._chip == "tmp75":
            return 9 + (self.held[_CONFIGURATION][0] >> 5 & 3)
        return _BITS[self._chip]

    def _take(self, data: bytes) -> None:
        if self._chip == "tmp102" and data[:1] == bytes((_CONFIGURATION,)):
            rest = self.held[_CONFIGURATION]
            data = data[:3] + rest[len(data) - 1 :] if len(data) > 1 else data
        super()._take(data)

    def changed(self, register: int) -> None:
        if register == _CONFIGURATION:
            first, *rest = self.held[register]
            if self._chip == "tmp102":
                first |= _R1_R0
            elif self._chip != "tmp75":
                first &= ~_R1_R0
            self.held[register] = bytes((first, *rest))
