"""Sensors on two buses that can be made to fail, and every sample that they took.

Three accelerometers and a thermometer. What the service writes about the
accelerometers is compared with the samples that their chips really took.
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
"""The tick of a Raspberry Pi's kernel, by which a time-out may come late."""
SHARED_BUS = 1
"""The bus that has more than one fast chip."""
PRESS_HZ = int(os.environ.get("SENSORML_LAB_PRESS_HZ", "200"))
"""Each sample of an ADXL345 is two messages, so 800 Hz makes the run half as long
again, and its FIFO is then too short for a neighbour that hangs."""


class GroundTruth:
    """All samples that the chips in one slot have taken."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray, bool]] = []

    def add(self, at_ns: np.ndarray, values: np.ndarray, *, repeated: bool) -> None:
        self._parts.append((at_ns, values, repeated))

    @property
    def last_ns(self) -> int:
        """The time of the last sample; 0 before the first."""
        return int(self._parts[-1][0][-1]) if self._parts else 0

    @property
    def last(self) -> np.ndarray:
        return self._parts[-1][1][-1:]

    def whole(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return times (n,), values (n, 3) in g, and which of them are repeats."""
        times, values, repeats = zip(*self._parts, strict=True)
        sizes = [len(part) for part in times]
        return np.concatenate(times), np.concatenate(values), np.repeat(repeats, sizes)


class RecordedSignal(TimeSignal):
    """The signal in front of a chip; what the chip samples is added to the truth."""

    def __init__(self, truth: GroundTruth) -> None:
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
class Slot:
    """One sensor's position on a bus, whose chip can be exchanged for another."""

    name: str
    bus: int
    address: int
    chips: ModuleType
    rate_hz: int
    window: int = 0
    """Rows of its model's windows; 0 for a slow sensor, which has no model."""
    rate_error: float = 0.0
    largest_rate_error: float = 0.04
    """Of another oscillator, within what the data sheet allows."""
    reads_per_visit: int = 2
    """Reads of the FIFO's level and of its rows."""
    fifo_rows: int = 32
    ring: bool = False
    """True for a ring of bytes: when it overflows, all of its rows are lost."""
    truth: GroundTruth = field(default_factory=GroundTruth)

    @property
    def period_s(self) -> float:
        """The longest time in which it is not read; 0 for a FIFO, read often."""
        return 0.0 if self.window else 1 / self.rate_hz

    @property
    def driver(self) -> str:
        return self.chips.__name__.rpartition(".")[2]

    def new_chip(self, **differences: int) -> None:
        """Replace the chip by a new one of its kind, in its state at power-on."""
        if not self.window:
            self.chip = self.chips.Chip()
            return
        self.signal = RecordedSignal(self.truth)
        self.chip = self.chips.Chip(
            self.signal, rate_error=self.rate_error, **differences
        )
        self.signal.born_ns = self.chip.converter.born_ns


def all_slots() -> list[Slot]:
    """Return all slots; each oscillator is off by about what its data sheet allows."""
    return [
        Slot(
            name="press",
            bus=SHARED_BUS,
            address=0x53,
            chips=adxl345,
            rate_hz=PRESS_HZ,
            window=PRESS_HZ * 4 // 25,
            rate_error=0.011,
            reads_per_visit=10,
        ),
        Slot(
            name="saw",
            bus=SHARED_BUS,
            address=0x68,
            chips=mpu6050,
            rate_hz=1000,
            window=128,
            rate_error=-0.017,
            fifo_rows=82,  # a clone, which a fault inserts, is read as an MPU6500
            ring=True,
            largest_rate_error=0.018,
        ),
        Slot(name="oil", bus=SHARED_BUS, address=0x48, chips=lm75, rate_hz=1),
        Slot(
            name="fan",
            bus=2,
            address=0x18,
            chips=lis3dh,
            rate_hz=200,
            window=32,
            rate_error=0.008,
        ),
    ]


class Rig:
    """The slots, their buses, the service that reads them, and a random generator."""

    def __init__(self, seed: int, slots: Iterable[Slot]) -> None:
        self.random = random.Random(seed)
        self.identities = cycle(range(0x80, 0x98))  # none is a known chip's
        self.slots = list(slots)
        self.fast = [slot for slot in self.slots if slot.window]
        self.slow = [slot for slot in self.slots if not slot.window]
        self.buses = {number: Adapter({}) for number in (1, 2)}
        for bus in self.buses.values():
            bus.speed_hz = 400_000
            bus.timeout_s = TIMEOUT_S + TICK_S  # as the kernel's adapters do
        for slot in self.slots:
            self.insert_chip(slot)
        self.service: subprocess.Popen[bytes] | None = None

    def insert_chip(self, slot: Slot, **differences: int) -> None:
        """Put a new chip into a slot."""
        slot.new_chip(**differences)
        self.bus_of(slot).chips[slot.address] = slot.chip

    def bus_of(self, slot: Slot) -> Adapter:
        return self.buses[slot.bus]

    def measured_since(self, slot: Slot, at_ns: int) -> bool:
        """Return whether the service can have a sample that was taken after `at_ns`."""
        if slot.window:
            return slot.truth.last_ns > at_ns and not slot.chip.asleep
        return self.bus_of(slot).answered_ns.get(slot.address, 0) > at_ns

    def signal_service(self, number: signal.Signals) -> None:
        assert self.service is not None
        os.kill(self.service.pid, number)
