"""TRI16, an accelerometer of this example only: three axes, 16 bits, 400 Hz, on I2C."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS
from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.registers import configure, identify
from sensorml.buses import i2c
from sensorml.buses.i2c import InterruptOptions
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel, Float32

IDENTITY = Identity(0x00, {0x16: "TRI16"}, addresses=(0x0A,))
FIFO_ROWS = 64

_CONTROL, _COUNT, _DATA = 0x01, 0x02, 0x10
_STANDBY, _MEASURE = 0x00, 0x81


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "tri16"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x0A
    rate_hz: Literal[400] = 400
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None


def channels(_options: Options) -> Sequence[Channel]:
    return ACCELERATION


def decode(raw: bytes) -> Float32:
    """Turn rows of the FIFO, 6 bytes each, into g of shape (n, 3); 1 g is 2048 counts.

    >>> decode(bytes([0x08, 0x00, 0xF8, 0x00, 0x00, 0x00])).tolist()
    [[1.0, -1.0, 0.0]]
    """
    counts = np.frombuffer(raw, ">i2").reshape(-1, 3)
    return counts.astype(np.float32) * np.float32(1 / 2048)


class Driver:
    """One TRI16, read from its FIFO."""

    frozen_rows = FROZEN_ROWS

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._chip = FifoChip(
            options,
            "tri16",
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=32,
            sleep={_CONTROL: _STANDBY},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s

    def start(self) -> str | None:
        bus = self._chip.open()
        warning = identify(bus, IDENTITY)
        configure(bus, {_CONTROL: _STANDBY})
        configure(bus, {_CONTROL: _MEASURE})
        self._chip.collect(32767 / 2048, configured=(_CONTROL, _MEASURE))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: bus.read(_COUNT, 1)[0],
            lambda rows: bus.read(_DATA, rows * 6),
            decode,
        )

    def stop(self) -> None:
        self._chip.close()
