"""A simulated accelerometer without a chip: the machine, sampled.

It is for tests of everything behind the sensor, with faults of the sensor. To test
the I2C side, too, use a chip's driver with `bus = "sim"`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta

from sensorml.acquisition.fifo import FROZEN_ROWS, clipped_rows
from sensorml.errors import BusError
from sensorml.interfaces import SensorOptions
from sensorml.sim.machine import Float64, Machine, MachineOptions
from sensorml.types import Block, Channel

CHANNELS = (Channel("x", "g"), Channel("y", "g"), Channel("z", "g"))
PERIOD_S = 0.05
BACKLOG_S = 1.0
"""The time of rows that a late read returns; older rows are missed."""

Seconds = Annotated[float, Meta(ge=0, le=1e8)]


class Options(SensorOptions, frozen=True, kw_only=True):
    """The keys of a `[[sensor]]` with `driver = "sim"`."""

    rate_hz: Annotated[float, Meta(ge=1, le=20_000)] = 800.0
    range_g: Annotated[float, Meta(ge=0.01, le=10_000)] = 16.0
    machine: MachineOptions = MachineOptions()

    rate_error: Annotated[float, Meta(ge=-0.2, le=0.2)] = 0.0
    """The relative error of the sensor's oscillator; positive is fast."""
    jitter_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """The standard deviation of the sampling times."""
    frozen_after_s: Seconds | None = None
    frozen_for_s: Seconds = math.inf
    """The start and the duration (omitted: for ever) of a repeated sample."""
    gap_after_s: Seconds | None = None
    gap_rows: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 100
    """The time and the number of rows that are lost, once."""

    @property
    def thread(self) -> str:
        return "sim"


def channels(_options: Options) -> Sequence[Channel]:
    return CHANNELS


class Driver:
    """One machine, switched on by `start`; row 0 is sampled a period later."""

    frozen_rows = FROZEN_ROWS

    def __init__(
        self, options: Options, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.period_s = max(PERIOD_S, 1 / options.rate_hz)
        self._options = options
        self._clock = clock
        self._machine = Machine(options.machine)
        self._random = np.random.default_rng(options.machine.seed)
        self._rate_hz = options.rate_hz * (1 + options.rate_error)
        self._gap = math.inf
        if options.gap_after_s is not None:
            self._gap = int(options.gap_after_s * self._rate_hz)
        self._started_ns: int | None = None
        self._next = 0  # number of the next row

    def start(self) -> None:
        self._started_ns = self._clock()
        self._next = 0

    def read(self) -> Block | None:
        """Return the rows that are due, at most those of BACKLOG_S."""
        if self._started_ns is None:
            raise BusError("sim: not started")
        now = self._clock()
        due = int((now - self._started_ns) * self._rate_hz / 1e9)
        first = max(self._next, due - math.ceil(BACKLOG_S * self._rate_hz))
        if first < self._gap < due:
            due = int(self._gap)
        elif first == self._gap:
            first += self._options.gap_rows
        if first >= due:
            return None
        missed, self._next = first - self._next, due
        times_s = np.arange(first + 1, due + 1) / self._rate_hz
        samples = self._machine.acceleration(self._sampled(times_s))
        limit = self._options.range_g
        clipped = np.clip(samples, -limit, limit).astype(np.float32)
        return Block(
            samples=clipped,
            start_ns=self._started_ns + round(times_s[0] * 1e9),
            rate_hz=self._rate_hz,
            missed=missed,
            clipped=clipped_rows(clipped, limit),
            age_ns=max(0, now - self._started_ns - round(times_s[-1] * 1e9)),
        )

    def stop(self) -> None:
        self._started_ns = None

    def _sampled(self, times_s: Float64) -> Float64:
        """Return the times that the rows show, with the configured faults."""
        if self._options.jitter_s:
            late = self._random.normal(0, self._options.jitter_s, len(times_s))
            times_s = np.maximum(times_s + late, 0)
        begin = self._options.frozen_after_s
        if begin is None:
            return times_s
        held = (times_s >= begin) & (times_s < begin + self._options.frozen_for_s)
        return np.where(held, begin, times_s)
