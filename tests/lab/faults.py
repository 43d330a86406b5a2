"""What goes wrong with sensors, as a table, and the bench on which it does.

Three accelerometers and a thermometer are on two buses. Every sample that a chip
takes is kept: the truth that what is said of it is held against.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from adapter import Adapter, wait_for
from ruler import Ruler

from sensorml.sim.chips import adxl345, lis3dh, lm75, mpu6050
from sensorml.types import SensorState

SHARED = 1
"""The bus that has more than one fast chip."""
PRESS_HZ = int(os.environ.get("SENSORML_LAB_PRESS_HZ", "200"))
"""Each sample of an ADXL345 is two messages: 800 takes half as long again."""
ADAPTER_TIMEOUT_S = 0.05
"""So long an adapter waits for a chip that holds the clock."""


class Truth:
    """All samples that chips in one place have taken."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray, bool]] = []

    def add(self, at_ns: np.ndarray, values: np.ndarray, *, repeated: bool) -> None:
        self._parts.append((at_ns, values, repeated))

    @property
    def last_ns(self) -> int:
        return int(self._parts[-1][0][-1]) if self._parts else 0

    @property
    def last(self) -> np.ndarray:
        return self._parts[-1][1][-1:]

    def whole(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return times (n,), values (n, 3) in g, and which of them are repeats."""
        times, values, repeats = zip(*self._parts, strict=True)
        sizes = [len(each) for each in times]
        return np.concatenate(times), np.concatenate(values), np.repeat(repeats, sizes)


class Seen(Ruler):
    """The signal in front of a chip; what is sampled of it becomes the truth."""

    def __init__(self, truth: Truth) -> None:
        self.born_ns = 0
        self.frozen = False
        """The converter repeats its last sample."""
        self._truth = truth

    def acceleration(self, at_s: np.ndarray) -> np.ndarray:
        values = super().acceleration(at_s)
        if self.frozen:
            values = np.repeat(self._truth.last, len(at_s), axis=0)
        at_ns = np.rint(at_s * 1e9).astype(np.int64) + self.born_ns
        self._truth.add(at_ns, values, repeated=self.frozen)
        return values


@dataclass(eq=False)
class Place:
    """Where a chip is on a bus: it may be taken out and another one put in."""

    name: str
    bus: int
    address: int
    chips: ModuleType
    rate_hz: int
    window: int = 0
    """Rows of its model's windows; 0: a slow sensor, without a model."""
    rate_error: float = 0.0
    truth: Truth = field(default_factory=Truth)

    @property
    def driver(self) -> str:
        return self.chips.__name__.rpartition(".")[2]

    def samples_since(self, at_ns: int) -> bool:
        return self.truth.last_ns > at_ns and not self.chip.asleep

    def new_chip(self, **differences: int) -> None:
        """Have a new chip of that kind, as it is when power comes."""
        if not self.window:
            self.chip = self.chips.Chip()
            return
        self.signal = Seen(self.truth)
        self.chip = self.chips.Chip(
            self.signal, rate_error=self.rate_error, **differences
        )
        self.signal.born_ns = self.chip.converter.born_ns


class Bench:
    """The chips, their buses, the service that reads them, and chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.identities = cycle(range(0x80, 0xE0))  # none is one of our chips'
        self.places = [
            Place("press", SHARED, 0x53, adxl345, PRESS_HZ, PRESS_HZ * 4 // 25, 0.011),
            Place("saw", SHARED, 0x68, mpu6050, 1000, 128, -0.017),
            Place("oil", SHARED, 0x48, lm75, 1),
            Place("fan", 2, 0x18, lis3dh, 200, 32, 0.008),
        ]
        self.fast = [place for place in self.places if place.window]
        self.buses = {number: Adapter({}) for number in (1, 2)}
        for bus in self.buses.values():
            bus.speed_hz = 400_000
            bus.timeout_s = ADAPTER_TIMEOUT_S
        for place in self.places:
            self.put_in(place)
        self.service: subprocess.Popen[bytes] | None = None

    def put_in(self, place: Place, **differences: int) -> None:
        """Let a new chip stand in a place."""
        place.new_chip(**differences)
        self.bus_of(place).chips[place.address] = place.chip

    def bus_of(self, place: Place) -> Adapter:
        return self.buses[place.bus]

    def tell(self, number: signal.Signals) -> None:
        assert self.service is not None
        os.kill(self.service.pid, number)


# How faults begin and end: each is given the bench and the place it happens to.


def nothing(_bench: Bench, _place: Place) -> None:
    """It ends by itself."""


def refuse_a_byte(bench: Bench, place: Place) -> None:
    place.chip.nack_at = bench.chance.randrange(2)
    if place.chip.nack_at:  # only settings have so many bytes: let it need them
        place.chip.brown_out()


def accept_bytes(_bench: Bench, place: Place) -> None:
    place.chip.nack_at = None


def hold_data_low(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stuck = True


def let_data_go(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stuck = False


def stretch_the_clock(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stretch_s = bench.chance.uniform(0.002, 0.008)


def keep_the_clock(bench: Bench, place: Place) -> None:
    bench.bus_of(place).stretch_s = 0.0


def hang(_bench: Bench, place: Place) -> None:
    place.chip.hung = True


def wake_up(_bench: Bench, place: Place) -> None:
    place.chip.hung = False


def unplug_adapter(bench: Bench, place: Place) -> None:
    bench.bus_of(place).unplug()


def plug_adapter_in(bench: Bench, place: Place) -> None:
    bench.bus_of(place).plug()
    wait_for(Path(f"/dev/i2c-{place.bus}").exists)


def take_out(_bench: Bench, place: Place) -> None:
    place.chip.absent = True


def put_back(_bench: Bench, place: Place) -> None:
    place.chip.brown_out()
    place.chip.absent = False


def put_clone_in(bench: Bench, place: Place) -> None:
    bench.put_in(place, identity=next(bench.identities))


def put_faster_or_slower_in(bench: Bench, place: Place) -> None:
    place.rate_error = bench.chance.choice((-0.04, 0.04))
    bench.put_in(place)


def freeze(_bench: Bench, place: Place) -> None:
    place.signal.frozen = True


def thaw(_bench: Bench, place: Place) -> None:
    place.signal.frozen = False


def brown_out(_bench: Bench, place: Place) -> None:
    place.chip.brown_out()


def hold_the_reader(bench: Bench, _place: Place) -> None:
    bench.tell(signal.SIGSTOP)


def let_the_reader_go(bench: Bench, _place: Place) -> None:
    bench.tell(signal.SIGCONT)


def itself(place: Place, other: Place) -> bool:
    return place is other


def its_bus(place: Place, other: Place) -> bool:
    return place.bus == other.bus


def everything(_place: Place, _other: Place) -> bool:
    return True


class Fault(NamedTuple):
    """One line of the table; `begin` and `end` are the two halves of it."""

    name: str
    begin: Callable[[Bench, Place], None]
    end: Callable[[Bench, Place], None]
    lasts_s: tuple[float, float]
    hits: Callable[[Place, Place], bool]
    """Whether what happens to the first place is the second one's fault, too."""
    states: tuple[SensorState, ...]
    """What becomes of those that are hit: always the last, maybe others before."""
    says: str
    """What the event's sentence holds, as a regular expression."""
    sure: bool = True
    """Whether it shows every time."""


_ABSENT, _FROZEN = (SensorState.ABSENT,), (SensorState.FROZEN,)
_OVERRUN = (SensorState.OVERRUN,)
# A transfer that is under way when the adapter goes is given up after 2 s.
_ABSENT_LATE = (SensorState.STALE, SensorState.ABSENT)
_REFUSED = "broke a transfer off"
_BROKE = "transfer broke off"
_GONE = "nobody answers"
_SILENT = "lost its configuration|nothing but 0x00"
_LOST = r"\d+ samples were lost"
_WHILE = (0.1, 0.6)

# fmt: off
FAULTS = (
    Fault("NACK at a byte", refuse_a_byte, accept_bytes, _WHILE,
          itself, _ABSENT, f"{_REFUSED}|{_GONE}|{_SILENT}"),
    Fault("stuck data line", hold_data_low, let_data_go, _WHILE,
          its_bus, _ABSENT, _BROKE),
    Fault("slow clock stretch", stretch_the_clock, keep_the_clock, _WHILE,
          its_bus, _OVERRUN, _LOST, sure=False),
    Fault("chip hangs", hang, wake_up, _WHILE,
          itself, _ABSENT, _BROKE),
    Fault("adapter unplugged", unplug_adapter, plug_adapter_in, _WHILE,
          its_bus, _ABSENT_LATE, "the bus is gone|no sample for 2"),
    Fault("chip unplugged", take_out, put_back, _WHILE,
          itself, _ABSENT, _GONE),
    Fault("another identity", take_out, put_clone_in, _WHILE,
          itself, _ABSENT, _GONE),
    Fault("another rate, ±4 %", take_out, put_faster_or_slower_in, _WHILE,
          itself, _ABSENT, _GONE),
    Fault("frozen output", freeze, thaw, (0.3, 0.7),
          itself, _FROZEN, "repeats the same sample"),
    Fault("brown-out", brown_out, nothing, (0.0, 0.0),
          itself, _ABSENT, _SILENT),
    Fault("reader stalled", hold_the_reader, let_the_reader_go, (0.4, 1.0),
          everything, _OVERRUN, _LOST),
)
# fmt: on

STALL = FAULTS[-1]._replace(name="computer asleep", lasts_s=(600.0, 600.0))
"""Costs nothing, and so long after it every change of state is told again."""
