"""ADXL355 accelerometer: three axes, 20 bits, very little noise, on I2C or SPI.

Data sheet: Analog Devices ADXL354/ADXL355 Rev. D, Table 2 (scale, self-test),
sections "FIFO", "FIFO_FULL", "Self Test", "SPI Protocol", "I2C Protocol" and
"Register Map" (FIFO_ENTRIES, FIFO_DATA, FILTER, RANGE, POWER_CTL, SELF_TEST).

SPI is the better choice. "I2C Protocol" limits the rate to 200 Hz at 100 kHz and to
800 Hz at 400 kHz, above which samples may be missing; the wire would carry 1000
and 4000 Hz, because a read of the FIFO costs 81 bits a sample. On I2C it needs a bus
of its own: it answers to bytes for other chips that look like its address.

The filter ends at a quarter of the rate. Beyond about ±16 g (±8 g at ±2 g) it
switches itself off for 0.5 ms, and the output falls towards zero ("Overrange
Protection"): a hard shock may not look clipped.

An ADXL357 has the same identity, so the configuration chooses between the two:
`driver = "adxl357"`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS
from sensorml.acquisition.fifo_chip import ACCELERATION, FifoChip
from sensorml.acquisition.fifo_schedule import fitting
from sensorml.acquisition.registers import configure, identify
from sensorml.buses import spi
from sensorml.buses.fault_codes import read_status
from sensorml.errors import SensorError
from sensorml.interfaces import Identity, Registers
from sensorml.types import Block, Channel, Float32

if TYPE_CHECKING:
    from sensorml.acquisition.self_test import SelfTest

CHANNELS = ACCELERATION
IDENTITY = Identity(
    0x02,
    {0xED: "ADXL355 or ADXL357"},
    addresses=(0x1D, 0x53),
    others={0xF2: "ADXL362", 0xF7: "ADXL367"},
)

ENTRY_BYTES = 3
ROW_ENTRIES = 3
"""One entry is one axis of one sample."""
FIFO_ROWS = 32
USUAL_ROWS = 14
"""The most rows in the FIFO at a read, by default."""

SPI = spi.Framing(mode=0, read=0x01, shift=1)

_FIFO_ENTRIES = 0x05
_XDATA3 = 0x08
_FIFO_DATA = 0x11
_OFFSETS = range(0x1E, 0x24)
_ACT_EN = 0x24
_FILTER = 0x28
_FIFO_SAMPLES = 0x29
_INT_MAP = 0x2A
_SYNC = 0x2B
_RANGE = 0x2C
_POWER_CTL = 0x2D
_SELF_TEST = 0x2E

_MEASURE, _STANDBY = 0x00, 0x01
_ENTRIES = 0x7F
_MARKS, _ROW_MARKS = 0x03, (0x01, 0x00, 0x00)  # bit 0: X; bit 1: no entry
_UNMARKED = np.array((0xFF, 0xFF, 0xFF ^ _MARKS), np.uint8)
_RATE_CODE = {4000 >> i: i for i in range(6)}
_HIGH_SPEED = 0x80  # of I2C, as after power-on
_ACTIVE_HIGH = 0x40
_AT_WATERMARK = 0x02  # FULL_EN1: FIFO_FULL means that FIFO_SAMPLES entries are there
_RANGE_CODE = {2: 1, 4: 2, 8: 3, 10: 1, 20: 2, 40: 3}
_LSB_PER_G = {
    2: 256_000,
    4: 128_000,
    8: 64_000,
    10: 51_200,
    20: 25_600,
    40: 12_800,  # of an ADXL357
}
_READY, _PUSH = 0x01, 0x03  # ST1, and ST2 with it
_SETTLED_S = 0.1  # of the filter, at 1000 Hz
_PUSHED_G = ((0.1, 0.6), (0.1, 0.6), (0.5, 3.0))  # Table 2, at any range


class FamilyOptions(spi.SpiOptions, frozen=True, kw_only=True):
    """The keys of an ADXL355 and an ADXL357, but for the range."""

    address: Annotated[int, Meta(ge=0x08, le=0x77)] = 0x1D
    """0x1D with the pin ASEL low, 0x53 with it high."""
    rate_hz: Literal[125, 250, 500, 1000, 2000, 4000] = 500
    fifo_rows: Annotated[int, fitting(FIFO_ROWS)] | None = None
    """Rows in the FIFO at a read; by default those of 50 ms at most."""


class Options(FamilyOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "adxl355"`."""

    range_g: Literal[2, 4, 8] = 8


def channels(_options: FamilyOptions) -> Sequence[Channel]:
    return CHANNELS


def decode(raw: bytes, range_g: int = 2) -> Float32:
    """Turn rows of the FIFO, 9 bytes each, into g of shape (n, 3).

    256000 counts are 1 g at ±2 g and 64000 at ±8 g (Table 2), 20 bits
    left-justified in 24; the lowest bits are marks and left out here:

    >>> decode(bytes.fromhex("3e8001 c18000 000010")).tolist()
    [[1.0, -1.0, 3.906250185536919e-06]]
    >>> decode(bytes.fromhex("0fa001 800000 7ffff0"), 8).tolist()
    [[1.0, -8.192000389099121, 8.191984176635742]]
    """
    counts = np.zeros((len(raw) // ENTRY_BYTES, 4), np.uint8)
    counts[:, :ENTRY_BYTES] = np.frombuffer(raw, np.uint8).reshape(-1, ENTRY_BYTES)
    values = (counts.view(">i4").reshape(-1, 3) >> 12).astype(np.float32)
    return values / np.float32(_LSB_PER_G[range_g])


class Family:
    """One ADXL355 or ADXL357, read from its FIFO."""

    name: ClassVar[str]
    frozen_rows = FROZEN_ROWS

    def __init__(
        self,
        options: FamilyOptions,
        range_g: int,
        connect: Callable[[FamilyOptions, str], Registers],
        clock: Callable[[], int],
    ) -> None:
        self._options = options
        self._range_g = range_g
        self._chip = FifoChip(
            options,
            self.name,
            connect,
            clock,
            depth=FIFO_ROWS,
            usual=USUAL_ROWS,
            sleep={_POWER_CTL: _STANDBY},
        )
        self.interrupt, self.period_s = self._chip.interrupt, self._chip.period_s
        self._decode = partial(decode, range_g=range_g)

    def start(self) -> str | None:
        bus = self._chip.open()
        range_g = self._range_g
        warning = identify(bus, IDENTITY)
        bus.write(_POWER_CTL, bytes((_STANDBY,)))
        if left := bus.read(_FIFO_ENTRIES, 1)[0] & _ENTRIES:
            # The data sheet does not say that standby empties it.
            bus.read(_FIFO_DATA, left * ENTRY_BYTES)
        self._rest = b""
        configure(
            bus,
            {
                **dict.fromkeys(_OFFSETS, 0),
                _ACT_EN: 0,
                _FILTER: _RATE_CODE[self._options.rate_hz],
                _FIFO_SAMPLES: ROW_ENTRIES * self._chip.watermark,
                _INT_MAP: _AT_WATERMARK if self.interrupt.wired else 0,
                _SYNC: 0,
                _RANGE: _HIGH_SPEED | _ACTIVE_HIGH | _RANGE_CODE[range_g],
                _SELF_TEST: 0,  # if one was interrupted
                _POWER_CTL: _MEASURE,
            },
        )
        full_scale = (2**19 - 1.5) / _LSB_PER_G[range_g]  # between the last two counts
        self._chip.collect(
            full_scale, configured=(_POWER_CTL, _MEASURE), per_row=ROW_ENTRIES
        )
        return warning

    def read(self) -> Block | None:
        bus = self._chip.bus
        return self._chip.read(
            lambda: read_status(bus, _FIFO_ENTRIES)[0] & _ENTRIES,
            lambda entries: self._whole_rows(
                bus.read(_FIFO_DATA, entries * ENTRY_BYTES)
            ),
            self._decode,
        )

    def stop(self) -> None:
        self._chip.close()

    def _whole_rows(self, raw: bytes) -> bytes:
        """Return the rows from the first X on, without marks; keep what is left.

        After an overflow the FIFO may begin within a row, and any read may end within
        the one that is being written.

        Raises:
            SensorError: the marks are not those of rows.
        """
        raw = self._rest + raw
        entries = np.frombuffer(raw, np.uint8).reshape(-1, ENTRY_BYTES)
        marks = entries[:, 2] & _MARKS
        first = int(np.argmax(marks == _ROW_MARKS[0]))
        end = len(marks) - (len(marks) - first) % 3
        if (marks[first:end].reshape(-1, 3) != _ROW_MARKS).any():
            raise SensorError(
                f"{self._chip.bus}: the FIFO's entries are not X, Y and Z in turn: "
                "check the data line and the pull-ups, lower the bus speed"
            )
        self._rest = raw[end * ENTRY_BYTES :]
        # Without marks, the samples of a dead converter are nothing but zeros.
        return (entries[first:end] & _UNMARKED).tobytes()


class Driver(Family):
    """One ADXL355."""

    name = "adxl355"

    def __init__(
        self,
        options: Options,
        connect: Callable[[FamilyOptions, str], Registers] = SPI.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        super().__init__(options, options.range_g, connect, clock)


def self_test(bus: Registers, pause: Callable[[float], None]) -> SelfTest:
    """Push the proof mass with ST2, at ±8 g; with ST1 it measures nothing else.

    The chip sleeps afterwards, with the settings of the test, until the next `start`.
    An ADXL357 reads a fifth of the gravity here, and remains undecided.

    Raises:
        SensorError: it is another chip of the same family; nothing is written.
    """
    from sensorml.acquisition import self_test as selftest

    part_id = bus.read(IDENTITY.register, 1)[0]
    if part_id not in IDENTITY.chips:
        raise SensorError(
            f"{bus}: identity register {IDENTITY.register:#04x} is {part_id:#04x}: no "
            "ADXL355, its self-test is unknown"
        )
    bus.write(_POWER_CTL, bytes((_STANDBY,)))
    configure(
        bus,
        {
            **dict.fromkeys(_OFFSETS, 0),
            _ACT_EN: 0,
            _FILTER: _RATE_CODE[1000],
            _INT_MAP: 0,
            _SYNC: 0,
            _RANGE: _HIGH_SPEED | _RANGE_CODE[8],
            _SELF_TEST: 0,
            _POWER_CTL: _MEASURE,
        },
    )

    def rest() -> None:
        bus.write(_SELF_TEST, b"\0")
        bus.write(_POWER_CTL, bytes((_STANDBY,)))

    pause(_SETTLED_S)
    gravity_g = float(np.linalg.norm(decode(bus.read(_XDATA3, 3 * ENTRY_BYTES), 8)))
    if 0.1 < gravity_g < 0.4:
        rest()
        why = f"it reads {gravity_g:.2f} g at rest, as an ADXL357: its test is unknown"
        return selftest.SelfTest(selftest.Verdict.UNDECIDED, why=why)
    configure(bus, {_SELF_TEST: _READY})
    return selftest.run(
        lambda: decode(bus.read(_XDATA3, 3 * ENTRY_BYTES), 8),
        lambda: configure(bus, {_SELF_TEST: _PUSH}),
        rest,
        pause=pause,
        limits=_PUSHED_G,
        sign="any",
    )
