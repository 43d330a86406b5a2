"""ADS1115: four voltages at 16 bits, up to 860 conversions per second, on I2C.

Data sheet: TI SBAS444, sections "Data Format", "Conversion Register" and
"Config Register" (Tables "Config Register Field Descriptions").

One converter serves all inputs: each read fetches the conversion of one input and
starts that of the next, so that no read waits. A row is complete after one read per
input, so its values are one read apart in time. A read that follows a late one too
soon fetches nothing, which makes that row longer.

An ADS1015 has no identity either, and other data rates and bits: `driver = "ads1015"`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from sensorml.acquisition.polled import PolledChip, PolledOptions, Rate
from sensorml.buses import i2c
from sensorml.interfaces import Registers
from sensorml.types import Block, Channel

MAX_RATE_HZ = 100.0
"""400 reads per second for all inputs together, the limit of a bus at 100 kHz."""

_CONVERSION = 0x00
_CONFIG = 0x01

_START = 0x8000  # reads 1 when no conversion is under way
_POWER_DOWN = 0x0100  # MODE: one conversion, then sleep
_NO_COMPARATOR = 0x0003
_MUX = {"0": 4, "1": 5, "2": 6, "3": 7, "0-1": 0, "0-3": 1, "1-3": 2, "2-3": 3}
_GAIN = {6144: 0, 4096: 1, 2048: 2, 1024: 3, 512: 4, 256: 5}
_SLOWEST = 0.88  # the oscillator is up to 10 % slow, and needs time to wake up
_ROOM = 1.8  # the read after a late one comes less than a period later
_OVERDUE = 2  # times of the slowest conversion, after which it has failed
_BOTTOM = -0x8000

Input = Literal["0", "1", "2", "3", "0-1", "0-3", "1-3", "2-3"]


class Converter(NamedTuple):
    """The differences between the chips of this family."""

    name: str
    rates: Mapping[int, int]
    """The code of each data rate in Hz."""
    top: int
    """The count at full scale; its lowest bits are 0 if the chip has fewer."""


ADS1115 = Converter(
    "ads1115",
    {8: 0, 16: 1, 32: 2, 64: 3, 128: 4, 250: 5, 475: 6, 860: 7},
    top=0x7FFF,
)


class Options(PolledOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "ads1115"`."""

    address: Annotated[int, Meta(ge=0x48, le=0x4B)] = 0x48
    """ADDR to GND 0x48, to VDD 0x49, to SDA 0x4A, to SCL 0x4B."""
    rate_hz: Annotated[Rate, Meta(le=MAX_RATE_HZ)] = 1.0
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1, max_length=4)] = ("0",)
    """"0" is AIN0 against ground, "0-1" is AIN0 against AIN1."""
    range_mv: Literal[6144, 4096, 2048, 1024, 512, 256] = 4096
    """Full scale, ±; an input must not exceed the supply in any case."""


def channels(options: Options) -> Sequence[Channel]:
    return tuple(Channel(f"ain{each}", "V") for each in options.inputs)


def decode(raw: bytes, range_mv: int) -> float:
    """Turn the conversion register into volts (data sheet, "Data Format").

    >>> [decode(bytes.fromhex(raw), 4096) for raw in ("7fff", "0001", "8000")]
    [4.095875, 0.000125, -4.096]
    """
    return int.from_bytes(raw, "big", signed=True) * range_mv / 0x8000 / 1000


def slowest(visits_hz: float, converter: Converter = ADS1115) -> int:
    """Return the slowest data rate that ends before a read 40 % of a period early.

    Slow conversions average, and so are the least noisy.

    >>> slowest(1), slowest(7), slowest(8), slowest(400)
    (8, 16, 32, 860)
    """
    enough_hz = visits_hz * _ROOM
    return next(rate for rate in converter.rates if rate * _SLOWEST >= enough_hz)


class Driver:
    """One ADS1115, which sleeps between conversions."""

    converter = ADS1115

    def __init__(
        self,
        options: Options,
        connect: Callable[[i2c.I2cOptions, str], Registers] = i2c.connect,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        visits_hz = options.rate_hz * len(options.inputs)
        self.period_s = 1 / visits_hz
        self._chip = PolledChip(options, self.converter.name, connect, clock)
        self._options = options
        self._clock = clock
        self._data_hz = slowest(visits_hz, self.converter)
        common = _POWER_DOWN | _NO_COMPARATOR
        common |= (
            _GAIN[options.range_mv] << 9 | self.converter.rates[self._data_hz] << 5
        )
        self._configs = [common | _MUX[each] << 12 for each in options.inputs]
        self._counts: list[bytes] = []

    def start(self) -> None:
        config = self._chip.open().read(_CONFIG, 2)
        # An earlier start may have begun a conversion, perhaps of another input.
        self._foreign = not config[0] & _START >> 8
        self._counts = []
        self._begin(self._configs[0])
        self._done(self._configs[0])

    def read(self) -> Block | None:
        number = len(self._counts)
        if not self._done(self._configs[number]):
            return None
        if self._foreign:
            self._foreign = False
            self._begin(self._configs[0])
            return None
        self._counts.append(self._chip.bus.read(_CONVERSION, 2))
        self._begin(self._configs[(number + 1) % len(self._configs)])
        if len(self._counts) < len(self._configs):
            return None
        row, self._counts = self._counts, []
        return self._chip.row(
            [decode(raw, self._options.range_mv) for raw in row],
            clipped=any(
                int.from_bytes(raw, "big", signed=True) in {self.converter.top, _BOTTOM}
                for raw in row
            ),
        )

    def stop(self) -> None:
        """Do nothing: the chip sleeps after each conversion."""
        self._chip.close({})

    def _begin(self, config: int) -> None:
        self._chip.bus.write(_CONFIG, (config | _START).to_bytes(2, "big"))
        data_hz = min(self.converter.rates) if self._foreign else self._data_hz
        self._overdue_ns = self._clock() + _OVERDUE / (data_hz * _SLOWEST) * 1e9

    def _done(self, config: int) -> bool:
        """Return whether the conversion has ended.

        Raises:
            SensorError: it never will, or the chip has another configuration.
        """
        found = int.from_bytes(self._chip.bus.read(_CONFIG, 2), "big")
        if found == config | _START:
            return True
        if found == config:
            if self._clock() > self._overdue_ns:
                raise self._chip.impossible(
                    "a conversion takes too long: check that the driver is that of the "
                    "chip (ads1115, ads1015), and power-cycle it"
                )
            return False
        raise self._chip.impossible(
            f"register {_CONFIG:#04x} was set to {config:04x} and reads {found:04x}: "
            "check that the driver is that of the chip, its wiring, and its power "
            "supply for dips"
        )
