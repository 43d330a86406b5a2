"""Sensors on two buses that can be had to fail, and the truth about them.

Three accelerometers and a thermometer. Every sample that a chip takes is kept: the
truth that what is said of it is held against.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import cycle
from types import ModuleType

import numpy as np
from adapter import Adapter
from time_signal import TimeSignal

from sensorml.buses.i2c_dev import TIMEOUT_S
from sensorml.sim.chips import adxl345, lis3dh, lm75, mpu6050

TICK_S = 0.004
"""Of a Raspberry Pi's kernel, by which it may be late."""
SHARED = 1
"""The bus that has more than one fast chip."""
PRESS_HZ = int(os.environ.get("SENSORML_LAB_PRESS_HZ", "200"))
"""Each sample of an ADXL345 is two messages: 800 takes half as long again, and its
FIFO is too short for a neighbour that hangs."""


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


class Seen(TimeSignal):
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
    reads: int = 2
    """In a visit: what says how much there is, and that."""
    holds: int = 32
    """Rows in its FIFO."""
    truth: Truth = field(default_factory=Truth)

    @property
    def period_s(self) -> float:
        """How long it may overlook what happens; a FIFO is always read soon."""
        return 0.0 if self.window else 1 / self.rate_hz

    @property
    def driver(self) -> str:
        return self.chips.__name__.rpartition(".")[2]

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


def everywhere() -> list[Place]:
    """Return all places, each with a chip whose oscillator is as far off as any."""
    return [
        Place("press", SHARED, 0x53, adxl345, PRESS_HZ, PRESS_HZ * 4 // 25, 0.011, 10),
        Place("saw", SHARED, 0x68, mpu6050, 1000, 128, -0.017, holds=170),
        Place("oil", SHARED, 0x48, lm75, 1),
        Place("fan", 2, 0x18, lis3dh, 200, 32, 0.008),
    ]


class Bench:
    """The chips, their buses, the service that reads them, and chance."""

    def __init__(self, seed: int, places: Iterable[Place]) -> None:
        self.chance = random.Random(seed)
        self.identities = cycle(range(0x80, 0xE0))  # none is one of our chips'
        self.places = list(places)
        self.fast = [place for place in self.places if place.window]
        self.slow = [place for place in self.places if not place.window]
        self.buses = {number: Adapter({}) for number in (1, 2)}
        for bus in self.buses.values():
            bus.speed_hz = 400_000
            bus.timeout_s = TIMEOUT_S + TICK_S  # as the kernel's adapters do
        for place in self.places:
            self.put_in(place)
        self.service: subprocess.Popen[bytes] | None = None

    def put_in(self, place: Place, **differences: int) -> None:
        """Let a new chip stand in a place."""
        place.new_chip(**differences)
        self.bus_of(place).chips[place.address] = place.chip

    def bus_of(self, place: Place) -> Adapter:
        return self.buses[place.bus]

    def seen_since(self, place: Place, at_ns: int) -> bool:
        """Say whether it has measured since then, and the service can know of it."""
        if place.window:
            return place.truth.last_ns > at_ns and not place.chip.asleep
        return self.bus_of(place).answered_ns.get(place.address, 0) > at_ns

    def tell(self, number: signal.Signals) -> None:
        assert self.service is not None
        os.kill(self.service.pid, number)
