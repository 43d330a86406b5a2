"""ICM-42688-P accelerometer: three axes, 16 bits, up to 4000 Hz, on I2C.

Data sheet: TDK InvenSense ICM-42688-P (DS-000347), sections 6 (FIFO, packet 1), 12
(interrupts) and 14 (registers of bank 0). The gyroscope stays off. The registers agree
with the open drivers of other projects; no source was found for the limits of its
self-test.

Unlike the FIFOs of InvenSense's older chips this one counts packets: 8 bytes with a
header, the three axes and a temperature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final, Literal

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS
from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.invensense import decode
from sensorml.acquisition.registers import configure, identify, read_rows
from sensorml.buses import i2c
from sensorml.buses.fault_codes import read_status
from sensorml.buses.i2c import InterruptOptions
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel

CHANNELS = ACCELERATION
IDENTITY = Identity(0x75, {0x47: "ICM-42688-P"}, addresses=(0x68, 0x69))

PACKET_BYTES: Final = 8
FIFO_ROWS: Final = 256
USUAL_ROWS: Final = 100

_INT_CONFIG, _FIFO_CONFIG = 0x14, 0x16
_FIFO_COUNT, _FIFO_DATA = 0x2E, 0x30
_SIGNAL_PATH_RESET, _INTF_CONFIG0 = 0x4B, 0x4C
_PWR_MGMT0, _ACCEL_CONFIG0 = 0x4E, 0x50
_FIFO_CONFIG1, _FIFO_CONFIG2, _FIFO_CONFIG3 = 0x5F, 0x60, 0x61
_INT_CONFIG1, _INT_SOURCE0 = 0x64, 0x65
_BANK = 0x76

_OFF, _LOW_NOISE = 0x00, 0x03  # ACCEL_MODE
_BYPASS, _STREAM = 0x00, 0x40
_FLUSH = 0x02
_RECORDS, _BIG_ENDIAN = 0x40, 0x30  # FIFO_COUNT_REC; of the count and of the data
_ACCEL_ONLY = 0x01
_PULSE_HIGH = 0x03  # INT1: push-pull, active high, not latched
_AT_WATERMARK = 0x04
_HEADER, _HEADER_BITS = 0x40, 0xFC  # acceleration, and neither rotation nor 20 bits
_AXES = slice(1, 7)
_RATE_CODE = {25: 10, 50: 9, 100: 8, 200: 7, 500: 15, 1000: 6, 2000: 5, 4000: 4}
_RANGE_CODE = {16: 0, 8: 1, 4: 2, 2: 3}


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "icm42688"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x68
    """0x68 with the pin AP_AD0 low, 0x69 with it high."""
    rate_hz: Literal[25, 50, 100, 200, 500, 1000, 2000, 4000] = 1000
    range_g: Literal[2, 4, 8, 16] = 8
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """At how many rows its FIFO is read; by default after 50 ms at the latest."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


class Driver:
    """One ICM-42688-P, read from its FIFO in stream mode."""

    frozen_rows = FROZEN_ROWS

    def __init__(
        self,
        options: Options,
        connect: Callable[[Options, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._options = options
        self._chip = FifoChip(
            options,
            "icm42688",
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_PWR_MGMT0: _OFF},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self._decode = partial(decode, range_g=options.range_g)

    def start(self) -> str | None:
        bus = self._chip.open()
        options = self._options
        bus.write(_BANK, b"\0")
        warning = identify(bus, IDENTITY)
        bus.write(_PWR_MGMT0, bytes((_OFF,)))
        bus.write(_FIFO_CONFIG, bytes((_BYPASS,)))
        bus.write(_SIGNAL_PATH_RESET, bytes((_FLUSH,)))
        wired = self.interrupt.wired
        configure(
            bus,
            {
                _INTF_CONFIG0: _RECORDS | _BIG_ENDIAN,
                _INT_CONFIG: _PULSE_HIGH,
                _INT_CONFIG1: 0,  # as the data sheet asks for, or the pin may fail
                _INT_SOURCE0: _AT_WATERMARK if wired else 0,
                _ACCEL_CONFIG0: _RANGE_CODE[options.range_g] << 5
                | _RATE_CODE[options.rate_hz],
                _FIFO_CONFIG1: _ACCEL_ONLY,
                _FIFO_CONFIG2: self._chip.watermark & 0xFF,
                _FIFO_CONFIG3: self._chip.watermark >> 8,
                _FIFO_CONFIG: _STREAM,
                _PWR_MGMT0: _LOW_NOISE,
            },
        )
        full_scale = options.range_g * 32767 / 32768
        self._chip.collect(full_scale, configured=(_PWR_MGMT0, _LOW_NOISE))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: int.from_bytes(read_status(bus, _FIFO_COUNT, 2), "big"),
            self._take,
            self._decode,
        )

    def stop(self) -> None:
        self._chip.close()

    def _take(self, packets: int) -> bytes:
        """Take packets out of the FIFO; return their axes, 6 bytes each.

        Raises:
            SensorError: their headers are not those of acceleration.
        """
        raw = read_rows(self._chip.bus, _FIFO_DATA, packets, PACKET_BYTES)
        taken = np.frombuffer(raw, np.uint8).reshape(-1, PACKET_BYTES)
        if (taken[:, 0] & _HEADER_BITS != _HEADER).any():
            raise SensorError(
                f"{self._chip.bus}: the FIFO's packets have the headers of others: "
                "check the data line and the pull-ups, lower the bus speed"
            )
        return taken[:, _AXES].tobytes()
