"""BMI160 accelerometer: three axes, 16 bits, up to 1600 Hz, on I2C.

Data sheet: Bosch BMI160 (BST-BMI160-DS000), sections 2.5 (FIFO), 2.11 (register map)
and 3.2 (interface timing). The gyroscope stays suspended. The registers agree with
Bosch's own open driver; the self-test is not used, because it needs waits of its own.

The FIFO has no headers here: 6 bytes a row, the oldest row goes when it is full. It
counts in bytes, and a row that was read in part is given again.
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
from sensorml.acquisition.registers import configure, identify, read_rows
from sensorml.buses import i2c
from sensorml.buses.fault_codes import read_status
from sensorml.buses.i2c import InterruptOptions
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel, Float32

CHANNELS = ACCELERATION
IDENTITY = Identity(0x00, {0xD1: "BMI160"}, addresses=(0x68, 0x69))

ROW_BYTES: Final = 6
FIFO_ROWS: Final = 1024 // ROW_BYTES
USUAL_ROWS: Final = 80
WAKE_READS: Final = 500
"""The chip wakes up in 4 ms; the quickest read takes 0.05 ms."""

_PMU_STATUS = 0x03
_FIFO_LENGTH, _FIFO_DATA = 0x22, 0x24
_ACC_CONF, _ACC_RANGE = 0x40, 0x41
_FIFO_DOWNS, _FIFO_MARK, _FIFO_CONFIG = 0x45, 0x46, 0x47
_INT_EN_1, _INT_OUT_CTRL, _INT_LATCH, _INT_MAP_1 = 0x51, 0x53, 0x54, 0x56
_CMD = 0x7E

_ACC_NORMAL, _ACC_SUSPEND, _FLUSH = 0x11, 0x10, 0xB0  # of CMD
_ACC_AWAKE, _ACC_MODE = 0x10, 0x30  # of PMU_STATUS
_LENGTH = 0x7FF
_NORMAL_FILTER = 0x20  # bandwidth 0.4 of the rate
_UNFILTERED_OFF = 0x88  # both sensors filtered, no downsampling
_ACC_ROWS, _OFF = 0x40, 0x00  # acceleration without headers
_AT_WATERMARK, _PUSH_PULL_HIGH = 0x40, 0x0A
_MARK_BYTES = 4
_NO_ROW = (b"\x80" * ROW_BYTES, b"\x00\x80" * 3)
"""The answers of an empty FIFO; three axes at their lowest count are no sample."""
_RATE_CODE = {25: 6, 50: 7, 100: 8, 200: 9, 400: 10, 800: 11, 1600: 12}
_RANGE_CODE = {2: 3, 4: 5, 8: 8, 16: 12}


class Options(InterruptOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "bmi160"`."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x68
    """0x68 with the pin SDO low, 0x69 with it high."""
    rate_hz: Literal[25, 50, 100, 200, 400, 800, 1600] = 800
    range_g: Literal[2, 4, 8, 16] = 8
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """At how many rows its FIFO is read; by default after 50 ms at the latest."""


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes, range_g: int = 2) -> Float32:
    """Turn rows of the FIFO, 6 bytes each, into g of shape (n, 3).

    16384 counts are 1 g at ±2 g, 2048 at ±16 g (section 1.2):

    >>> decode(bytes([0x00, 0x40, 0x00, 0xC0, 0x01, 0x00])).tolist()
    [[1.0, -1.0, 6.103515625e-05]]
    >>> decode(bytes([0x00, 0x08, 0x00, 0x80, 0x00, 0x00]), 16).tolist()
    [[1.0, -16.0, 0.0]]
    """
    return np.frombuffer(raw, "<i2").reshape(-1, 3) * np.float32(range_g / 32768)


def rows_in(raw: bytes) -> int:
    """Return the whole rows in the FIFO by FIFO_LENGTH, 11 bits of bytes.

    >>> rows_in(bytes([0x0D, 0x00])), rows_in(bytes([0xFC, 0xFB]))
    (2, 170)
    """
    return (int.from_bytes(raw, "little") & _LENGTH) // ROW_BYTES


class Driver:
    """One BMI160, read from its FIFO."""

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
            "bmi160",
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_FIFO_CONFIG: _OFF, _CMD: _ACC_SUSPEND},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self._decode = partial(decode, range_g=options.range_g)

    def start(self) -> str | None:
        bus = self._chip.open()
        options = self._options
        warning = identify(bus, IDENTITY)
        # While it sleeps, 0.45 ms must pass between two writes (section 3.2.4).
        bus.write(_CMD, bytes((_ACC_NORMAL,)))
        _await_wake(bus)
        bus.write(_FIFO_CONFIG, bytes((_OFF,)))
        wired = self.interrupt.wired
        measuring = _NORMAL_FILTER | _RATE_CODE[options.rate_hz]
        configure(
            bus,
            {
                _ACC_CONF: measuring,
                _ACC_RANGE: _RANGE_CODE[options.range_g],
                _FIFO_DOWNS: _UNFILTERED_OFF,
                _FIFO_MARK: _mark(self._chip.watermark),
                _INT_OUT_CTRL: _PUSH_PULL_HIGH if wired else 0,
                _INT_LATCH: 0,
                _INT_MAP_1: _AT_WATERMARK if wired else 0,
                _INT_EN_1: _AT_WATERMARK if wired else 0,
                _FIFO_CONFIG: _ACC_ROWS,
            },
        )
        bus.write(_CMD, bytes((_FLUSH,)))
        full_scale = options.range_g * 32767 / 32768
        self._chip.collect(full_scale, configured=(_ACC_CONF, measuring))
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: rows_in(read_status(bus, _FIFO_LENGTH, 2)),
            self._take,
            self._decode,
        )

    def stop(self) -> None:
        self._chip.close()

    def _take(self, rows: int) -> bytes:
        """Take rows out of the FIFO.

        Raises:
            SensorError: fewer are there than it has counted.
        """
        raw = read_rows(self._chip.bus, _FIFO_DATA, rows, ROW_BYTES)
        if any(
            raw[at : at + ROW_BYTES] in _NO_ROW for at in range(0, len(raw), ROW_BYTES)
        ):
            raise SensorError(
                f"{self._chip.bus}: the FIFO has fewer rows than it counted: check its "
                "power supply for dips"
            )
        return raw


def _mark(rows: int) -> int:
    """Return FIFO_CONFIG_0 for a watermark at no more than so many rows."""
    return max(1, min(0xFF, rows * ROW_BYTES // _MARK_BYTES))


def _await_wake(bus: Registers) -> None:
    """Wait until the accelerometer is awake.

    Raises:
        SensorError: it stays asleep.
    """
    for _ in range(WAKE_READS):
        if bus.read(_PMU_STATUS, 1)[0] & _ACC_MODE == _ACC_AWAKE:
            return
    raise SensorError(f"{bus}: it does not wake up: power-cycle it, check its supply")
