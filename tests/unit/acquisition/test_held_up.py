"""A reader that is held up amid its reads: what it took for whole is whole.

Any transfer may come late, as on a busy computer, also the very first ones.
"""

from __future__ import annotations

import random
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from time_signal import TimeSignal, sampled_ns

from sensorml.buses.i2c import I2cConnection
from sensorml.errors import BusError
from sensorml.sim.bus import SimBus
from sensorml.types import Block

READS = 250
SEEDS = (*range(6), 12, 15, 22, 30, 35, 54)
"""The latter are some where one pace alone, of a read held up, was believed."""
TRANSFER_S = 0.0001
FIRST = 100
"""Transfers while a service starts, and the computer has most to do."""


class Clock:
    """Time passes only in waits and transfers."""

    now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class BusyBus(SimBus):
    """Some of its transfers are late, by up to 90 ms; of the first ones, many."""

    def __init__(self, chips, clock: Clock, chance: random.Random, often: float):
        super().__init__(chips)
        self._clock, self._chance, self._often = clock, chance, often
        self._begun = 0

    def transfer(self, address, messages):
        answer, rest = b"", list(messages)
        while rest:
            self._begun += 1
            often = 0.1 if self._begun < FIRST else self._often
            if self._chance.random() < often:
                self._clock.wait(self._chance.uniform(0.001, 0.09))
            self._clock.wait(TRANSFER_S)
            ends = next(
                (i for i, each in enumerate(rest, 1) if isinstance(each, int)),
                len(rest),
            )
            answer += super().transfer(address, rest[:ends])
            rest = rest[ends:]
        return answer


def held_up(name: str, address: int, rate_hz: int, seed: int) -> list[Block | None]:
    """Return the blocks of many reads; None: it was started again before the next."""
    clock, chance = Clock(), random.Random(seed)
    chip = import_module(f"sensorml.sim.chips.{name}").Chip(
        TimeSignal(), clock, rate_error=chance.uniform(-0.04, 0.04)
    )
    bus = BusyBus({address: chip}, clock, chance, often=chance.choice((0.003, 0.02)))
    module = import_module(f"sensorml.drivers.{name}")
    driver = module.Driver(
        module.Options(bus="sim", rate_hz=rate_hz, range_g=2),
        lambda options, which: I2cConnection(bus, options, which),
        clock,
    )
    driver.start()
    blocks: list[Block | None] = []
    for _ in range(READS):
        clock.wait(driver.period_s)
        try:
            block = driver.read()
        except BusError:  # too slow for too long
            driver.start()
            blocks.append(None)
        else:
            blocks += [] if block is None else [block]
    return blocks


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "address", "rate_hz"),
    [
        ("adxl345", 0x53, 800),
        ("adxl355", 0x1D, 1000),
        ("icm20948", 0x68, 1125),
        ("lis3dh", 0x18, 400),
        ("mpu6050", 0x68, 1000),
        ("mpu6500", 0x68, 1000),
    ],
)
def test_rows_without_a_gap_were_taken_one_after_the_other(
    name, address, rate_hz, seed
):
    blocks = held_up(name, address, rate_hz, seed)
    longest_ns = 1.04 / 0.96 * 1e9 / rate_hz + 50_000
    for block in filter(None, blocks):
        assert np.diff(sampled_ns(block.samples)).max(initial=0) < longest_ns
    for before, after in pairwise(blocks):
        if before is not None and after is not None and not after.missed:
            last, first = before.samples[-1:], after.samples[:1]
            assert sampled_ns(first) - sampled_ns(last) < longest_ns
    assert sum(block is not None for block in blocks) > READS / 3
