"""VL53L0X: distance by time of flight, 3 cm to 2 m, on I2C.

Source: the kernel's drivers/iio/proximity/vl53l0x-i2c.c (ranging, the result's
twelve bytes, the identity); ST's API vl53l0x_device.h, "Device Error", and
vl53l0x_api_core.c, get_pal_range_status (the status of a range). The data sheet (ST
DS11555) documents no registers.

It measures continuously, one range in 33 ms, with its factory settings. With no object
within reach the row is 8.19 m and counts as full scale. A range that failed for another
reason (an object too near) makes no row, and neither does a read without a new range.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.acquisition.registers import recognise
from sensorml.buses import i2c
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = (Channel("distance", "m"),)  # as the kernel's driver, through iio
IDENTITY = Identity(0xC0, {0xEE: "VL53L0X"})
MAX_RATE_HZ = 20.0

_SYSRANGE_START = 0x00
_INTERRUPT_CONFIG = 0x0A
_INTERRUPT_CLEAR = 0x0B
_INTERRUPT_STATUS = 0x13
_RESULT = 0x14

_BACK_TO_BACK, _STOP = b"\x02", b"\x01"
_NEW_SAMPLE_READY = b"\x04"
_CLEAR = b"\x01"
_READY = 0x07
_RESULT_BYTES = 12
_OVERDUE_S = 0.1
"""Three ranges; after this time without one the chip has stopped."""

_STATUS = 0x78
_RANGE_COMPLETE = 11
_NOTHING = frozenset({4, 6, 9})  # no echo, or one from beyond the range
_BROKEN = frozenset({1, 2, 3})
FULL_SCALE_M = 8.19
"""The distance that the chip and the kernel's driver return without an object."""


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "vl53l0x"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x29
    """0x29 after power-on."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(result: bytes) -> float | None:
    """Turn the twelve bytes of a result into m, or None if the range failed.

    Bits 3 to 6 of the first are the status of the range: 11 is valid, 4 is nothing in
    reach. The last two are the range in mm, high byte first.

    >>> decode(bytes.fromhex("58 00 0000 0000 0000 0000 04d2"))
    1.234
    >>> decode(bytes.fromhex("20 00 0000 0000 0000 0000 04d2"))
    8.19
    >>> decode(bytes.fromhex("40 00 0000 0000 0000 0000 04d2"))

    Raises:
        ValueError: the chip finds that it is broken.
    """
    status = (result[0] & _STATUS) >> 3
    if status in _BROKEN:
        raise ValueError(f"range status {status}: its laser or its supply has failed")
    if status in _NOTHING:
        return FULL_SCALE_M
    if status != _RANGE_COMPLETE:
        return None
    return min(int.from_bytes(result[10:12], "big") / 1000, FULL_SCALE_M)


class Driver:
    """One VL53L0X, which measures continuously."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.period_s = 1 / options.rate_hz
        self._clock = clock
        self._chip = PolledChip(options, "vl53l0x", connect, clock)

    def start(self) -> str | None:
        bus = self._chip.open()
        found = recognise(bus, IDENTITY)
        if not found.name:
            raise SensorError(
                f"{bus}: identity register {IDENTITY.register:#04x} is "
                f"{found.value:#04x}, that of no VL53L0X: a VL53L1X or VL53L4CD has "
                "the same address and other registers, and there is no driver for it"
            )
        self._chip.configure({_INTERRUPT_CONFIG: _NEW_SAMPLE_READY})
        bus.write(_INTERRUPT_CLEAR, _CLEAR)
        bus.write(_SYSRANGE_START, _BACK_TO_BACK)
        self._ranged_ns = self._clock()
        return found.warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        if not bus.read(_INTERRUPT_STATUS, 1)[0] & _READY:
            self._chip.check()
            silent_s = (self._clock() - self._ranged_ns) / 1e9
            if silent_s > _OVERDUE_S:
                raise self._chip.impossible(
                    f"no range in {silent_s:.1f} s: it has stopped, check its power "
                    "supply for dips"
                )
            return None
        result = bus.read(_RESULT, _RESULT_BYTES)
        bus.write(_INTERRUPT_CLEAR, _CLEAR)
        self._ranged_ns = self._clock()
        try:
            distance_m = decode(result)
        except ValueError as err:
            raise self._chip.impossible(
                f"{err}: power-cycle it, or replace it"
            ) from err
        if distance_m is None:
            self._chip.check()
            return None
        return self._chip.row((distance_m,), clipped=distance_m == FULL_SCALE_M)

    def stop(self) -> None:
        self._chip.close({_SYSRANGE_START: _STOP})
